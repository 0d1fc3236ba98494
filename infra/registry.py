"""Pure: image references, taken apart, checked, and moved to a private registry."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

DOCKER_HUB = "docker.io"
PATH = re.compile(
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
)
HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?"
)
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Reference:
    """An image reference in full: host/path:tag@digest."""

    host: str
    path: str
    tag: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.host}/{self.path}{tag}{digest}"


@dataclass(frozen=True)
class Registry:
    """A registry, and the path in it below which images lie."""

    host: str
    prefix: str | None = None

    def reference(self, path: str, tag: str | None = None) -> Reference:
        """Return the reference of an image of ours."""
        return Reference(self.host, f"{self.prefix}/{path}" if self.prefix else path, tag)


def parse(text: str) -> Reference:
    """Take a reference apart by Docker's rules; a short name is on Docker Hub."""
    rest, at, digest = text.partition("@")
    if at and not DIGEST.fullmatch(digest):
        raise _bad(text, "after the @ it needs sha256: and 64 hexadecimal digits")
    first, slash, path = rest.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        host = first
    else:
        host, path = DOCKER_HUB, rest
    path, colon, tag = path.partition(":")
    if colon and not TAG.fullmatch(tag):
        raise _bad(text, "its tag may have letters, digits, _ . - and at most 128 of them")
    if not HOST.fullmatch(host):
        raise _bad(text, "its host is not a host name with an optional port")
    if host == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    if not PATH.fullmatch(path):
        raise _bad(
            text, "its path may have lower case letters, digits and single . _ - between them"
        )
    return Reference(host, path, tag or None, digest or None)


def rewrite(text: str, registry: Registry | None) -> str:
    """Return the reference in the private registry: same path, tag and digest, other host.

    The public host is left out of the path: that is how mirroring tools copy by default.
    """
    reference = parse(text)
    if registry is None:
        return text
    path = f"{registry.prefix}/{reference.path}" if registry.prefix else reference.path
    return str(replace(reference, host=registry.host, path=path))


def pin(text: str, digests: Mapping[str, str]) -> str:
    """Return the reference with the digest that is known for its tag; one of its own stays."""
    reference = parse(text)
    known = digests.get(f"{reference.host}/{reference.path}:{reference.tag}")
    return text if reference.digest or known is None else str(replace(reference, digest=known))


def _bad(text: str, why: str) -> ValueError:
    return ValueError(f"'{text}' is not an image reference: {why}")
