"""How good the answers are: questions whose sources are known, asked of a running service."""
