"""Who writes into a bucket: a key of a file, or what EKS Pod Identity gives the pod."""

import json
import urllib.request
from collections.abc import Callable
from pathlib import Path

from app.backup.bucket import Credentials

# Where the agent on each node listens, and what the pod shows it; fixed by EKS.
AGENT = "http://169.254.170.23/v1/credentials"
TOKEN = Path("/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token")
SECONDS = 10


def of_file(file: Path) -> Callable[[], Credentials]:
    """Return what reads `ID:SECRET`, anew each time. Raises OSError where it is something else."""

    def read() -> Credentials:
        text = file.read_text(encoding="utf-8", errors="replace")
        key_id, _, secret = text.strip().partition(":")
        if not (_is_word(key_id) and _is_word(secret)):
            message = f"{file} is not ID:SECRET"
            raise OSError(message)
        return Credentials(key_id, secret)

    return read


def of_pod(agent: str = AGENT, token: Path = TOKEN) -> Callable[[], Credentials]:
    """Return what asks the node's agent, anew each time: what it gives lasts for hours only."""

    def ask() -> Credentials:
        if not token.is_file():
            message = (
                "the pod has no identity at AWS: make a Pod Identity association for its service"
                " account, or set backupBucketKey"
            )
            raise OSError(message)
        shown = {"Authorization": token.read_text(encoding="ascii").strip()}
        # on the node itself: by no proxy
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(urllib.request.Request(agent, headers=shown), timeout=SECONDS) as answer:
            try:
                found = json.load(answer)
                parts = [found[name] for name in ("AccessKeyId", "SecretAccessKey", "Token")]
            except (ValueError, KeyError, TypeError, RecursionError):
                parts = []
            if not parts or not all(map(_is_word, parts)):
                message = f"{agent} gives no credentials"
                raise OSError(message)
            return Credentials(*parts)

    return ask


def _is_word(part: object) -> bool:
    """Tell whether this can stand in a line of HTTP."""
    return isinstance(part, str) and part != "" and part.isascii() and part.isprintable()
