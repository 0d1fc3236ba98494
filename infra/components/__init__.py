"""What runs in the cluster: one component a file."""
