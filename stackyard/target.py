"""Which service a command talks to: an address, a stack of this machine, or a running `serve`."""

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from stackyard import machine
from stackyard.client import Service
from stackyard.connection import trusting
from stackyard.engine import Engine
from stackyard.errors import Trouble
from stackyard.project import Stack, find
from stackyard.serving.state import running

DEFAULT_STACK = "dev"


@dataclass(frozen=True)
class Target:
    """One service and how it was named."""

    url: str
    key: str | None
    label: str
    options: str  # what makes another stackyard command mean the same service
    ca: str | None = None  # the authorities to trust, as PEM; None for the public ones

    @property
    def trust(self) -> ssl.SSLContext | None:
        return None if self.ca is None else trusting(self.ca)

    def service(self) -> Service:
        return Service(self.url, self.key, trust=self.trust)


def resolve(stack: str | None, url: str | None, key_file: Path | None) -> Target:
    """Return the service that is meant; a running `serve` where nothing is said, else stack dev."""
    if url is not None:
        return _by_address(url, key_file)
    serving = running() if stack is None else None
    if serving is not None:
        return Target(serving.url, serving.key, "serve", "")
    return by_stack(find(stack or DEFAULT_STACK))


def by_stack(stack: Stack) -> Target:
    """Return the service of a stack, from the stack's own outputs."""
    outputs = Engine(stack, machine.environment(stack)).outputs()
    return from_outputs(stack, outputs)


def from_outputs(stack: Stack, outputs: dict[str, object]) -> Target:
    url, key = outputs.get("url"), outputs.get("apiKey")
    if not isinstance(url, str) or not url:
        message = f"stack {stack.name} has no url: it is not up"
        raise Trouble(message, f"stackyard up --stack {stack.name}, or: stackyard serve")
    return Target(
        url,
        key if isinstance(key, str) and key else None,
        f"stack {stack.name}",
        f" --stack {stack.name}",
        authority_of(outputs),
    )


def authority_of(outputs: dict[str, object]) -> str | None:
    """Return who signed the stack's certificate, None where that is a public authority."""
    ca = outputs.get("ca")
    return ca if isinstance(ca, str) and ca else None


def _by_address(url: str, key_file: Path | None) -> Target:
    if not url.startswith(("http://", "https://")):
        message = f"--url is {url!r}: it must begin with http:// or https://"
        raise Trouble(message, f"--url http://{url}")
    ca = _given_authority()
    if key_file is not None:
        if not key_file.is_file():
            message = f"--key-file is {str(key_file)!r}, which is not a file"
            raise Trouble(message, "write the bare key into a file that only you can read")
        options = f" --url {url} --key-file {key_file}"
        return Target(url, key_file.read_text().strip(), url, options, ca)
    return Target(url, os.environ.get("STACKYARD_KEY") or None, url, f" --url {url}", ca)


def _given_authority() -> str | None:
    path = os.environ.get("STACKYARD_CA")
    if not path:
        return None
    try:
        text = Path(path).read_text("ascii")
        trusting(text)
    except (OSError, ValueError) as error:  # ssl's own errors are OSErrors
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        message = f"STACKYARD_CA is {path!r}, which cannot be used: {why}"
        raise Trouble(message, "it must name a PEM file: stackyard ca > ca.pem") from None
    return text
