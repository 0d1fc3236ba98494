"""Waits until objects are ready or gone, and tells why they are not."""
