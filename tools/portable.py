"""Skopeo from PATH or from Debian, and any executable with its libraries in a folder of its own."""

import re
import shutil
import subprocess
from pathlib import Path

from tools.errors import ToolUnavailable
from tools.sealed.machine import MissingOnMachine, install_packages

OLDEST = (1, 9)  # Debian 12's; --preserve-digests came with 1.6
LOADER = "ld-linux-x86-64.so.2"


def find_skopeo() -> Path:
    """Return skopeo, installed from Debian's package where it is on no PATH."""
    found = shutil.which("skopeo")
    if found is None:
        try:
            install_packages(["skopeo"])
        except MissingOnMachine as error:
            message = f"skopeo is not on PATH: {error}\nhint: apt-get install skopeo"
            raise ToolUnavailable(message) from None
        found = shutil.which("skopeo")
    if found is None or skopeo_version(Path(found)) < OLDEST:
        message = f"skopeo 1.9 or newer is needed, found {found}\nhint: apt-get install skopeo"
        raise ToolUnavailable(message)
    return Path(found)


def skopeo_version(path: Path) -> tuple[int, ...]:
    """Return the version that skopeo says of itself; (0,) where it says none."""
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    said = re.search(r"(\d+)\.(\d+)\.(\d+)", done.stdout)
    return tuple(map(int, said.groups())) if said else (0,)


def make_portable(executable: Path, folder: Path) -> list[Path]:
    """Copy an executable and all libraries that it loads; return the files.

    It then runs on a machine that has none of them, by `command_of`.
    """
    (folder / "lib").mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["ldd", executable], capture_output=True, text=True, check=False)
    libraries = re.findall(r"(?:=> )?(/\S+) \(0x", done.stdout)  # none: linked statically
    files = [folder / executable.name]
    # with their times, by which what is packed of them is found again
    shutil.copy2(executable.resolve(), files[0])
    files[0].chmod(0o755)
    for library in sorted(set(libraries)):
        target = folder / "lib" / Path(library).name
        shutil.copy2(library, target)
        target.chmod(0o755)
        files.append(target)
    return files


def command_of(folder: Path, name: str) -> list[str]:
    """Return the command that runs a portable executable with its own libraries."""
    loader, libraries = folder / "lib" / LOADER, folder / "lib"
    if not loader.is_file():
        return [str(folder / name)]
    return [str(loader), "--library-path", str(libraries), str(folder / name)]
