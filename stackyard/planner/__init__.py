"""Pure: what a stack's models need, on which nodes they fit, how long and how much it takes."""
