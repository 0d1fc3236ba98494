"""All that a service holds as one file, and back."""
