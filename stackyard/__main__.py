"""`python -m stackyard`: the same as the stackyard command."""

from stackyard.cli import app

app()
