"""What is wrong with the settings of a stack, each problem in one sentence with its way out."""
