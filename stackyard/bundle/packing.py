"""Executables and plugins of this machine's toolchain, each as one tar with fixed bytes."""

import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

from stackyard.bundle.files import STAND_IN
from stackyard.bundle.layout import digest_of
from stackyard.bundle.lock import Item
from stackyard.errors import Trouble
from tools import official_plugin, toolchain
from tools.cache import content_key
from tools.paths import cache_dir
from tools.pins import TOOLS
from tools.portable import find_skopeo, make_portable
from tools.standin.install import START

SKOPEO = "skopeo"


@dataclass(frozen=True)
class Packed:
    """A tar in this machine's cache."""

    path: Path
    digest: str
    size: int


def packed(item: Item) -> Packed:
    """Return the tar of a tool or a plugin. Raises Trouble where it cannot be had here."""
    files = _files(item)
    key = content_key(*(str(f.resolve()) + str(f.stat().st_mtime_ns) for f in files.values()))
    target = cache_dir() / "bundle" / f"{item.kind}-{item.name}-{key}.tar"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_suffix(f".{id(item)}.new")
        draft.write_bytes(_tar(files))
        draft.replace(target)
    content = target.read_bytes()
    return Packed(target, digest_of(content), len(content))


def _files(item: Item) -> dict[str, Path]:
    """Return name in the tar -> file."""
    if item.reference.endswith(f"@{STAND_IN}"):
        return {START.name: START}
    if item.kind == "plugin":
        found = official_plugin.find_or_download() if item.name == "kubernetes" else None
        if found is None:
            message = f"the official {item.reference} is not to be had from here"
            hint = f"pulumi plugin install resource {item.name}, or for tests: --stand-in"
            raise Trouble(message, hint)
        return {found.name: found}
    if item.name == SKOPEO:
        folder = cache_dir() / "bundle" / "skopeo-portable"
        files = make_portable(find_skopeo(), folder)
        return {str(f.relative_to(folder)): f for f in files}
    main = toolchain.ensure([item.name])[item.name].resolve()
    beside = [main.with_name(name) for name in TOOLS[item.name].beside]
    return {f.name: f for f in (main, *beside)}


def _tar(files: dict[str, Path]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, file in sorted(files.items()):
            content = file.read_bytes()
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()
