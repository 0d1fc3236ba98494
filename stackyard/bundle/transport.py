"""Skopeo, which carries images, charts and model files into a registry with their digests as are.

It reads a folder of its `dir:` form made of links to the layout's blobs: that form takes manifests
of Docker and of OCI alike, while its `oci:` form knows OCI's only.
"""

import base64
import ctypes
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.registry import Reference
from stackyard.bundle.access import Access, Refused, refused
from stackyard.bundle.layout import INDEXES, Layout, media_type
from stackyard.bundle.registry import LOCAL
from stackyard.errors import Trouble

LIBC = ctypes.CDLL(None)  # loaded here: between fork and exec nothing may be
ATTEMPTS = 3  # skopeo's own retries leave most answers out
PATIENCE, SLOWEST = 300.0, 200_000  # seconds, and bytes each second besides: skopeo waits for ever
PR_SET_PDEATHSIG = 1  # linux/prctl.h
STATUS = re.compile(r"(?:HTTP status|status code)[: ]+(\d{3})|: (\d{3}) \(")
WORDS = {
    401: ("unauthorized", "authentication required"),
    403: ("denied", "forbidden"),
    404: ("name unknown", "not found"),
    413: ("too large",),
}


@dataclass(frozen=True)
class Skopeo:
    """A command that runs skopeo, and the registry that it writes to."""

    command: Sequence[str]
    access: Access

    def push(self, layout: Layout, digest: str, target: Reference) -> None:
        """Copy a manifest with all below it; what the registry has already is not sent again.

        Tried again where the registry stumbles. Raises Refused or Trouble where it takes it not.
        """
        for left in range(ATTEMPTS - 1, -1, -1):
            said = self._run(layout, digest, target)
            if said is None:
                return
            error = failure(said, target)
            lasting = isinstance(error, Refused) and error.status < 500
            if lasting or not left:
                raise error
            time.sleep(1)

    def _run(self, layout: Layout, digest: str, target: Reference) -> str | None:
        """Run skopeo once; return what it said where it failed."""
        with tempfile.TemporaryDirectory(prefix="stackyard-load-") as scratch:
            folder = Path(scratch)
            view = folder / "view"
            many = make_view(layout, digest, view)
            options = [*self._options(folder), *(["--all"] if many else [])]
            tagless = Reference(target.host, target.path, target.tag)
            where = str(tagless) if target.tag else str(target)
            command = [*self.command, "--insecure-policy", "copy", "--quiet", *options]
            command += ["--preserve-digests", f"dir:{view}"]
            seconds = PATIENCE + sum(blob.size for blob in layout.tree(digest)) / SLOWEST
            try:
                done = subprocess.run(
                    [*command, f"docker://{where}"],
                    env={**os.environ, "TMPDIR": scratch},
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=seconds,
                    preexec_fn=_die_with_parent,
                )
            except subprocess.TimeoutExpired:
                what = f"pushing {target.path}:{target.tag or target.digest}"
                message = f"{what}: {target.host} has not taken it in {seconds:.0f} s"
                hint = "look at its load and its disk; the same command again goes on"
                raise Trouble(message, hint) from None
        return done.stderr or "it said nothing" if done.returncode else None

    def _options(self, folder: Path) -> list[str]:
        """Return the options of access; the password is in a file that only this run sees."""
        access = self.access
        auths = {}
        if access.username is not None:
            pair = f"{access.username}:{access.password or ''}".encode()
            auths = {access.host: {"auth": base64.b64encode(pair).decode()}}
        keys = folder / "keys.json"
        keys.touch(mode=0o600)
        keys.write_text(json.dumps({"auths": auths}))
        options = ["--dest-authfile", str(keys)]
        if access.ca is not None:
            trusted = folder / "trusted"
            trusted.mkdir()
            (trusted / "ca.crt").write_bytes(access.ca.read_bytes())
            options += ["--dest-cert-dir", str(trusted)]
        near = access.host.partition(":")[0] in LOCAL
        if access.plain or (near and access.ca is None):
            options += ["--dest-tls-verify=false"]
        return options


def make_view(layout: Layout, digest: str, folder: Path) -> bool:
    """Make skopeo's `dir:` form of a manifest by links; tell whether it is an index."""
    folder.mkdir()
    (folder / "version").write_text("Directory Transport Version: 1.1\n")
    (folder / "manifest.json").symlink_to(layout.path(digest).resolve())
    manifest = layout.manifest(digest)
    for child in manifest.get("manifests", []):
        name = child["digest"].removeprefix("sha256:")
        (folder / f"{name}.manifest.json").symlink_to(layout.path(child["digest"]).resolve())
    children = {child["digest"] for child in manifest.get("manifests", [])}
    for blob in {blob.digest for blob in layout.tree(digest)} - children:
        (folder / blob.removeprefix("sha256:")).symlink_to(layout.path(blob).resolve())
    return media_type(manifest) in INDEXES


def failure(said: str, target: Reference) -> Trouble:
    """Return the error for what skopeo printed."""
    what = f"pushing {target.path}:{target.tag or target.digest}"
    last = said.strip().splitlines()[-1] if said.strip() else "it said nothing"
    message = re.sub(r'^.*?msg="?', "", last).rstrip('"')
    found = STATUS.search(said)
    status = int(found[1] or found[2]) if found else 0
    if not status:
        lower = said.lower()
        status = next((s for s, words in WORDS.items() if any(w in lower for w in words)), 0)
    if status:
        return refused(status, target.host, what, message)
    if "no space left" in said:
        return Refused(507, f"{what}: the disk is full: {message}", "free space and run it again")
    return Trouble(f"{what}: {message}", "the same command again goes on where this one stopped")


def _die_with_parent() -> None:
    """Have the kernel end skopeo when this process ends, however it does."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
