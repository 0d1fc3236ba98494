"""What a sealed site needs: its list, its lock, the bundle on a disk, and the way into a registry."""
