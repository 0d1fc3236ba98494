"""Where stackyard keeps things on this machine: what can be rebuilt, and what cannot."""

import os
from pathlib import Path


def cache_dir() -> Path:
    """Return the folder of what can be rebuilt: tools, images, weights (STACKYARD_CACHE)."""
    return Path(os.environ.get("STACKYARD_CACHE") or "~/.cache/stackyard").expanduser()


def home_dir() -> Path:
    """Return the folder of state: Docker's data, stack states, keys (STACKYARD_HOME)."""
    return Path(os.environ.get("STACKYARD_HOME") or "~/.local/share/stackyard").expanduser()


def bin_dir() -> Path:
    """Return the folder of executables that goes first on PATH."""
    return home_dir() / "bin"


def run_dir() -> Path:
    """Return the folder of pid files and logs."""
    return home_dir() / "run"


def machine_file() -> Path:
    """Return the file that tells infra what this machine offers (STACKYARD_MACHINE)."""
    return Path(os.environ.get("STACKYARD_MACHINE") or home_dir() / "machine.json").expanduser()
