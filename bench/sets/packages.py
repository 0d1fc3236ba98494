"""Debian packages that hold documentation: downloaded once, at pinned versions, and unpacked."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from tools.paths import cache_dir

# A set is comparable with an earlier one only where its text is the same.
VERSIONS = {
    "debian-faq": "11.1",
    "debian-faq-de": "11.1",
    "debian-handbook": "11.20220922",
    "debian-reference-de": "2.100",
    "debian-reference-en": "2.100",
    "python3.11-doc": "3.11.2-6+deb12u9",
}


class PackageMissing(RuntimeError):
    """A package that cannot be had; the text ends in a hint."""


def unpacked(package: str) -> Path:
    """Return the folder of an unpacked package; raise PackageMissing where it cannot be had."""
    version = VERSIONS[package]
    folder = cache_dir() / "sets" / f"{package}_{version}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{package}-", dir=folder.parent) as scratch:
        # apt's own downloader runs as a user that may not write into our folders.
        option = "APT::Sandbox::User=root"
        _run(["apt-get", "download", "-o", option, f"{package}={version}"], Path(scratch))
        (archive,) = Path(scratch).glob("*.deb")
        target = Path(scratch) / "unpacked"
        _run(["dpkg", "-x", str(archive), str(target)], Path(scratch))
        try:
            target.rename(folder)
        except OSError:
            # Somebody else was faster, with the same version.
            if not folder.is_dir():
                raise
    return folder


def _run(command: list[str], folder: Path) -> None:
    if shutil.which(command[0]) is None:
        message = (
            f"{command[0]} is not here\nhint: build the sets on Debian 12, or in its container"
        )
        raise PackageMissing(message)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        message = (
            f"`{' '.join(command)}` ended with {done.returncode}: {done.stderr.strip()}\n"
            "hint: apt-get update; the versions are pinned in bench/sets/packages.py"
        )
        raise PackageMissing(message)
