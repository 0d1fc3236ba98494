"""The peers' own environments: made by uv from pinned requirements, kept by their content."""

import hashlib
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from tools.paths import cache_dir

ROOT = Path(__file__).parents[2]
PEERS = ROOT / "bench/peers"


def python_of(peer: str) -> Path:
    """Return the peer's Python, after making its environment where there is none yet."""
    requirements = PEERS / peer / "requirements.txt"
    content = requirements.read_bytes() + platform.python_version().encode()
    name = f"{peer}-{hashlib.sha256(content).hexdigest()[:12]}"
    folder = cache_dir() / "bench" / name
    python = folder / "bin/python"
    if (folder / "complete").exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    uv = _run(str(ROOT / "tools/find-uv.sh")).strip()
    _run(uv, "venv", "--quiet", "--python", sys.executable, str(folder))
    _run(
        *(uv, "pip", "install", "--quiet", "--python", str(python)),
        *("--compile-bytecode", "--requirement", str(requirements)),
    )
    (folder / "complete").touch()
    return python


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        message = (
            f"`{' '.join(command)}` failed:\n{done.stderr.strip()[-800:]}"
            "\nhint: check that the package registry is reached, then the same command again"
        )
        raise RuntimeError(message)
    return done.stdout
