"""Registries: whether each image is there and may be pulled, by a HEAD of its manifest."""

import re
import socket
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

from infra.registry import DOCKER_HUB, Reference, parse
from stackyard.checks.finding import Finding, ok, problem

SECONDS = 20
NGC = "nvcr.io"
NGC_USER = "$oauthtoken"  # literally
ACCEPT = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
WHY = "its pod would wait in ImagePullBackOff"


@dataclass(frozen=True)
class Credentials:
    """A user and a password of one registry; never shown."""

    username: str
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        return "Basic " + b64encode(f"{self.username}:{self.password}".encode()).decode()


def images(
    references: Mapping[str, str], credentials: Mapping[str, Credentials]
) -> Iterator[Finding]:
    """Check each image (what it is for -> its reference) with its host's credentials."""
    with httpx.Client(timeout=SECONDS, follow_redirects=True) as client:
        for use, text in references.items():
            yield _image(client, use, text, credentials)


def _image(
    client: httpx.Client, use: str, text: str, credentials: Mapping[str, Credentials]
) -> Finding:
    try:
        reference = parse(text)
    except ValueError as error:
        return problem("image", f"{use}: {error}", WHY, "correct the image in the stack's settings")
    given = credentials.get(reference.host)
    try:
        status, digest = head(client, reference, given)
    except httpx.HTTPError as error:
        return _unreachable(use, reference, error)
    if status == 200:
        return ok("image", f"{use}: {reference} is there{f' ({digest[:19]})' if digest else ''}")
    return _refused(use, reference, status, given)


def head(
    client: httpx.Client, reference: Reference, given: Credentials | None
) -> tuple[int, str | None]:
    """Return status and digest of a manifest, after the token that the registry asks for."""
    url = f"{base_url(reference.host)}/v2/{reference.path}/manifests/"
    url += reference.digest or reference.tag or "latest"
    headers = {"Accept": ACCEPT}
    answer = client.head(url, headers=headers)
    if answer.status_code == 401:
        challenge = answer.headers.get("WWW-Authenticate", "")
        kind, _, rest = challenge.partition(" ")
        if kind.lower() == "bearer":
            refused, token = _token(client, dict(CHALLENGE.findall(rest)), given)
            if token is None:
                return refused, None
            headers["Authorization"] = f"Bearer {token}"
        elif given is not None:
            headers["Authorization"] = given.basic
        else:
            return 401, None
        answer = client.head(url, headers=headers)
    return answer.status_code, answer.headers.get("Docker-Content-Digest")


def _token(
    client: httpx.Client, challenge: Mapping[str, str], given: Credentials | None
) -> tuple[int, str | None]:
    asked = {key: challenge[key] for key in ("service", "scope") if key in challenge}
    headers = {"Authorization": given.basic} if given else {}
    answer = client.get(challenge.get("realm", ""), params=asked, headers=headers)
    if answer.is_error:
        return answer.status_code, None
    read = answer.json()
    token = read.get("token") or read.get("access_token")
    return (200, str(token)) if token else (401, None)


def base_url(host: str) -> str:
    """Return where a registry's API is: plain HTTP on this machine only, as Docker does."""
    if host == DOCKER_HUB:
        host = "registry-1.docker.io"
    name = urlsplit(f"//{host}").hostname or ""
    return f"{'http' if name in ('localhost', '127.0.0.1', '::1') else 'https'}://{host}"


def _unreachable(use: str, reference: Reference, error: httpx.HTTPError) -> Finding:
    host = urlsplit(base_url(reference.host)).hostname or reference.host
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        fix = f"getent hosts {host}; or set registry.host to a registry of yours"
        return problem("image", f"{use}: the name {host} is not found", WHY, fix)
    what = f"{use}: {reference.host} does not answer ({error or type(error).__name__})"
    fix = f"curl -sI {base_url(reference.host)}/v2/"
    if "CERTIFICATE" in str(error).upper():
        fix += "; SSL_CERT_FILE names your authority's certificate, and the nodes need it too"
    return problem("image", what, WHY, fix)


def _refused(use: str, reference: Reference, status: int, given: Credentials | None) -> Finding:
    ngc = reference.host == NGC
    key = "ngcApiKey" if ngc else "registryPassword"
    set_key = f"pulumi config set --secret stackyard:{key}"
    said = f"{use}: {reference} answers {status}"
    if status == 401:
        what = f"{said}: {'the key is refused' if given else 'it wants a key, and none is set'}"
        fix = set_key if ngc else f"{set_key}; and stackyard:registry.username"
        return problem("image", what, WHY, fix)
    if status == 402:
        fix = "enterprise.nvidia.com: an NVIDIA AI Enterprise licence or trial of the key's org"
        return problem("image", f"{said}: the key's org has no licence for it", WHY, fix)
    if status == 403:
        fix = (
            "org.ngc.nvidia.com: a key with NGC Catalog, and the model's terms accepted"
            if ngc
            else f"the right to pull {reference.path} for the registry's user"
        )
        return problem("image", f"{said}: the key may not pull it", WHY, fix)
    if status == 404:
        fix = f"skopeo list-tags docker://{reference.host}/{reference.path}"
        return problem("image", f"{said}: no such image or tag", WHY, fix)
    if status == 429:
        why = "the nodes would be turned away too"
        fix = "log in, wait, or set registry.host to a mirror"
        return problem("image", f"{said}: too many requests", why, fix)
    return problem("image", said, WHY, f"curl -sI {base_url(reference.host)}/v2/")


def ngc_key(key: str | None, *, needed: bool, preloaded: bool) -> Iterator[Finding]:
    """Check that there is a key of NVIDIA's form where one is needed."""
    if not needed:
        return
    if key is None:
        if preloaded:
            yield ok("NGC key", "none, and none is needed: the volumes are preloaded")
            return
        why = "without it no model's files are fetched"
        yield problem("NGC key", "none is set", why, "pulumi config set --secret ngcApiKey")
    elif key != key.strip() or any(each.isspace() for each in key):
        why = "it is sent as it is, and refused"
        yield problem("NGC key", "it has white space", why, "pulumi config set --secret ngcApiKey")
    elif key.startswith("nvapi-"):
        yield ok("NGC key", "a personal or service key (nvapi-...)")
    else:
        yield ok("NGC key", "a legacy key, without the prefix nvapi-")
