"""Known holes in what we lock, out of an export of OSV that is given: nothing is asked."""
