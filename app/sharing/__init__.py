"""Several processes on one data folder: who does what only one may do, and who is there."""
