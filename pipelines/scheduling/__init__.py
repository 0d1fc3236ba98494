"""The order of a pipeline's work, found once; and runs along it."""
