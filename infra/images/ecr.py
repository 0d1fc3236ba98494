"""Logs in at the account's registry at AWS; its keys end after twelve hours, so at each use."""

import re
from pathlib import Path

from infra.command import run

HOST = re.compile(r"[0-9]{12}\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
USERNAME = "AWS"
WHO = "aws sts get-caller-identity shows who you are at AWS"


def password(host: str) -> str | None:
    """Return the password of a registry at AWS; None where the host is another."""
    found = HOST.fullmatch(host)
    if found is None:
        return None
    return run("aws", "ecr", "get-login-password", "--region", found[1], hint=WHO).strip()


def log_docker_in(host: str) -> None:
    """Let docker into a registry at AWS; does nothing for another, where users log in."""
    secret = password(host)
    if secret is not None:
        command = ("docker", "login", "--username", USERNAME, "--password-stdin", host)
        run(*command, given=secret, hint=WHO)


def log_skopeo_in(host: str, username: str, secret: str, keys: Path) -> None:
    """Write a login for skopeo into a file of keys."""
    run(
        *("skopeo", "login", "--authfile", keys, "--username", username, "--password-stdin", host),
        given=secret,
        hint=f"skopeo login --username '{username}' {host}",
    )
