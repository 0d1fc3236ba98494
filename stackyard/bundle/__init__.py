"""What a sealed site needs: its list, its lock, the bundle on a disk, the way into a registry."""
