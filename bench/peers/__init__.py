"""The engines that ours is held against, each in an environment of its own."""
