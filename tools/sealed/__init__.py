"""Docker in a network namespace of its own, where the machine has no Docker that works."""
