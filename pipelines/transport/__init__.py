"""Calls to the services behind the stages: one session a process, deadlines, retries, a circuit."""
