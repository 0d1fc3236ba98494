"""Lists the software of each image in SPDX, by syft."""

import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from stackyard.bundle.layout import INDEXES, Blob, Layout, blobs_of, media_type
from stackyard.bundle.lock import Item
from stackyard.errors import Trouble
from tools import wheels

Tell = Callable[[str], None]


def list_software(folder: Path, items: Iterable[Item], layout: Layout, tell: Tell) -> None:
    """List the software of each image in SPDX, by syft; a list that is there stays."""
    target = folder / "sbom"
    target.mkdir(exist_ok=True)
    images = [item for item in items if item.kind == "image" and item.digest]
    names = {i.key: target / f"{i.name}-{short_digest(i)}.spdx.json" for i in images}
    missing = [i for i in images if not names[i.key].is_file()]
    if not missing:
        return
    syft = wheels.syft().ensure().folder / "syft"
    for item in missing:
        tell(f"software of {item.name}")
        output = names[item.key]
        with tempfile.TemporaryDirectory() as scratch:
            view = _single(layout, item.digest or "", Path(scratch))
            if view is None:
                continue  # its layers are at the site already, and were listed for it
            done = subprocess.run(
                [syft, "scan", f"oci-dir:{view}", "-q", "-o", f"spdx-json={output}"],
                env={"HOME": scratch, "TMPDIR": scratch, "SYFT_CHECK_FOR_APP_UPDATE": "false"},
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode:
            output.unlink(missing_ok=True)
            message = f"syft cannot list what is in {item.name}: {done.stderr.strip()[-300:]}"
            raise Trouble(message, "--no-sbom leaves the lists out")


def _single(layout: Layout, digest: str, folder: Path) -> Path | None:
    """Return a layout of one image whose blobs are links; None where some are not here."""
    manifest = layout.manifest(digest)
    if media_type(manifest) in INDEXES:
        child = next(
            each
            for each in manifest["manifests"]
            if each.get("platform", {}).get("architecture") == "amd64"
        )
        return _single(layout, child["digest"], folder)
    if not all(layout.has(blob) for blob in blobs_of(manifest)):
        return None
    view = Layout(folder / "view")
    view.make()
    for name in (digest, *(blob.digest for blob in blobs_of(manifest))):
        if not view.path(name).exists():
            view.path(name).symlink_to(layout.path(name).resolve())
    size = layout.path(digest).stat().st_size
    view.write_index({"image": (Blob(digest, size), media_type(manifest))})
    return view.folder


def short_digest(item: Item) -> str:
    return (item.digest or "").removeprefix("sha256:")[:12]
