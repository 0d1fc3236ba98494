"""Our own images: what goes into them, how they are staged, where they are."""
