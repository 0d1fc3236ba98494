"""KEDA itself for the long journeys: its operator and metrics server, out of its own Go module."""
