"""Puts the stand-in where the engine finds it: a folder for PATH with one executable."""

import hashlib
import os
import sys
import tempfile
from pathlib import Path

from tools.paths import cache_dir

NAME = "pulumi-resource-kubernetes"
ROOT = Path(__file__).parents[2]
START = Path(__file__).with_name(NAME)  # that of a folder which a bundle has installed


def executable_text() -> str:
    """Return the executable: this environment's python, this repository's code."""
    return (
        f"#!{sys.executable}\n"
        "import sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from tools.standin.__main__ import main\n"
        "main()\n"
    )


def plugin_directory() -> Path:
    """Return a folder with the executable, made where it is not there yet."""
    text = executable_text()
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    folder = cache_dir() / "tools" / f"stand-in-kubernetes-{digest}"
    target = folder / NAME
    if not target.is_file() or target.read_text() != text or not os.access(target, os.X_OK):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as draft:
            draft.write(text)
        Path(draft.name).chmod(0o755)
        Path(draft.name).replace(target)  # never half an executable
    return folder
