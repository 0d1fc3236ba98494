"""A bundle on disk against its signature and its checksums."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from stackyard.bundle import signing, splitting
from stackyard.bundle.layout import sha256_of
from stackyard.bundle.manifest import (
    NAME,
    RECORD_SIGNATURE,
    SIGNATURE,
    Manifest,
    read_manifest,
)
from stackyard.bundle.record import record_claim
from stackyard.errors import Trouble

COPY_AGAIN = "copy it again from where the bundle was made; checksums.txt finds all that differ"


def check(folder: Path, key: ec.EllipticCurvePublicKey) -> Manifest:
    """Return the manifest of a bundle whose signature and files are right.

    Raises Trouble that names the first file that is not.
    """
    if not (folder / NAME).is_file():
        parts = sorted(folder.glob("*.part-*"))
        if parts:
            problem = splitting.problem_with(folder)
            if problem:
                raise Trouble(problem, "copy this part again")
            message = f"{folder} holds the parts of a split bundle, all whole"
            raise Trouble(message, f"cat {folder}/*.part-* | tar -x -C DIR, then load DIR")
        message = f"{folder} is no bundle, or a half made one: it has no {NAME}"
        raise Trouble(message, f"stackyard bundle create -o {folder}")
    content = (folder / NAME).read_bytes()
    signature = folder / SIGNATURE
    if not signature.is_file():
        message = f"{folder / NAME} is not signed: there is no {SIGNATURE}"
        raise Trouble(message, "make it again with --key, or sign it: cosign sign-blob")
    if not signing.is_signed(key, content, signature.read_text().strip()):
        message = f"{signature} is not the signature of {NAME} by the key given"
        hint = "either the file was changed, or --key is not the public key of whoever made it"
        raise Trouble(message, hint)
    record = folder / RECORD_SIGNATURE
    if record.is_file() and not signing.is_signed(
        key, record_claim(content), record.read_text().strip()
    ):
        message = f"{record} is not the signature of this bundle's record by the key given"
        raise Trouble(message, COPY_AGAIN)
    manifest = read_manifest(content, folder / NAME)
    with ThreadPoolExecutor() as pool:
        names = list(manifest.files)
        for problem in pool.map(lambda name: _problem(folder, manifest, name), names):
            if problem:
                raise Trouble(problem, COPY_AGAIN)
    return manifest


def _problem(folder: Path, manifest: Manifest, name: str) -> str | None:
    """Return what is wrong with one file."""
    path, said = folder / name, manifest.files[name]
    try:
        size = path.stat().st_size
        if size != said.size:
            cut = "cut off" if size < said.size else "too long"
            return f"{path} is {cut}: {size} of {said.size} bytes"
        if sha256_of(path) != said.digest:
            return f"{path} is damaged: its sha256 is not the one that was signed"
    except FileNotFoundError:
        return f"{path} is missing"
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    return None
