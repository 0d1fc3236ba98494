"""Measurements that anyone can run; figures of a run are comparable only with each other."""
