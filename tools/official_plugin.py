"""The official Kubernetes provider: installed, downloadable, or neither."""

import os
import shutil
import subprocess
from pathlib import Path

from tools.downloads import reachable
from tools.paths import bin_dir
from tools.progress import say, stage

VERSION = "4.34.2"  # of pulumi-kubernetes in uv.lock
EXECUTABLE = "pulumi-resource-kubernetes"
FOLDER = "https://get.pulumi.com/releases/plugins"
ARCHIVE = f"{FOLDER}/{EXECUTABLE}-v{VERSION}-linux-amd64.tar.gz"
INSTALL_SECONDS = 300


def find() -> Path | None:
    """Return the official plugin's executable, where Pulumi keeps it or on PATH."""
    home = Path(os.environ.get("PULUMI_HOME") or "~/.pulumi").expanduser()
    kept = home / "plugins" / f"resource-kubernetes-v{VERSION}"
    if (kept / EXECUTABLE).is_file() and not kept.with_name(f"{kept.name}.partial").exists():
        return kept / EXECUTABLE
    on_path = shutil.which(EXECUTABLE)
    # the stand-in is a script of ours; the official plugin is a binary
    if on_path and _is_binary(Path(on_path)):
        return Path(on_path)
    return None


def find_or_download() -> Path | None:
    """Return the official plugin, installed by Pulumi itself where its host answers.

    Pulumi checks such a download by TLS alone, as it does for everyone who runs `pulumi up`.
    """
    found = find()
    pulumi = shutil.which("pulumi", path=f"{bin_dir()}{os.pathsep}{os.environ.get('PATH', '')}")
    if found or pulumi is None or not reachable(ARCHIVE):
        return found
    environment = os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    command = [pulumi, "plugin", "install", "resource", "kubernetes", VERSION]
    mirror = os.environ.get("STACKYARD_DOWNLOADS")
    if mirror:
        command += ["--server", f"{mirror.rstrip('/')}/{FOLDER.removeprefix('https://')}"]
    with stage(f"Downloading {EXECUTABLE} v{VERSION}", expected=20):
        try:
            done = subprocess.run(
                command,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=INSTALL_SECONDS,
            )
            said = done.stderr.strip().rsplit("\n", 1)[-1] if done.returncode else ""
        except subprocess.TimeoutExpired:
            said = f"not done within {INSTALL_SECONDS} s"
    if said:
        say(f"{EXECUTABLE} {VERSION} was not installed: {said}")
    return find()


def _is_binary(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"
