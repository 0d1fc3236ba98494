"""A stand-in for the Kubernetes provider's plugin, for our own local clusters only."""
