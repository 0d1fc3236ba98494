"""The policy pack: what a stack must keep, whoever changes the program."""
