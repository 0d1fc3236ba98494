"""The service as processes on this machine, without Kubernetes."""
