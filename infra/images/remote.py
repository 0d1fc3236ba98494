"""Asks a registry on this machine by plain HTTP: is it there, does it have an image."""

import http.client

ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)
SECONDS = 5.0
NAMES = ("localhost", "127.0.0.1")


def is_local(host: str) -> bool:
    """Tell whether a registry is on this machine, where plain HTTP without a key is the rule."""
    return host.rpartition(":")[0] in NAMES


def answers(host: str) -> bool:
    """Tell whether a local registry is up."""
    return _ask("GET", host, "/v2/")[0] == http.client.OK


def find_digest(host: str, path: str, tag: str) -> str | None:
    """Return the digest of an image in a local registry; None where it has none of that tag."""
    status, digest = _ask("HEAD", host, f"/v2/{path}/manifests/{tag}")
    return digest if status == http.client.OK else None


def _ask(method: str, host: str, path: str) -> tuple[int, str | None]:
    # http.client, because urllib would send this through a proxy of the environment
    port = int(host.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request(method, path, headers={"Accept": ACCEPT})
        response = connection.getresponse()
        return response.status, response.headers.get("Docker-Content-Digest")
    except (OSError, http.client.HTTPException):
        return 0, None
    finally:
        connection.close()
