"""The start on the sealed side: `python3 DIR/stackyard.py bundle load DIR --registry HOST/PREFIX`.

Python 3.11 or newer and nothing else. It unpacks the bundle's own wheels and program beside
itself, or into STACKYARD_RUN, each checked against bundle.json, and runs the command with them.
"""

import hashlib
import json
import os
import sys
import tarfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Unpack what is not unpacked yet, and become `python -m stackyard`."""
    manifest = json.loads((HERE / "bundle.json").read_text())
    have, want = sys.version_info[:2], tuple(map(int, manifest["python"].split(".")))
    if have != want:
        sys.exit(
            f"this is Python {have[0]}.{have[1]}, the wheels are for {manifest['python']}\n"
            f"hint: python{manifest['python']} {sys.argv[0]}, or on the connected side: "
            f"stackyard bundle lock --python {have[0]}.{have[1]}, and create the bundle again"
        )
    wheels = sorted(name for name in manifest["files"] if name.startswith("wheels/"))
    key = hashlib.sha256(json.dumps(manifest["files"], sort_keys=True).encode()).hexdigest()[:16]
    base = Path(os.environ.get("STACKYARD_RUN") or Path.home() / ".cache/stackyard/run")
    target = base / key
    if not (target / "whole").is_file():
        for name in (*wheels, "source.tar"):
            check(name, manifest["files"][name])
        (target / "site").mkdir(parents=True, exist_ok=True)
        for name in wheels:
            with zipfile.ZipFile(HERE / name) as archive:
                archive.extractall(target / "site")
        with tarfile.open(HERE / "source.tar") as archive:
            if hasattr(tarfile, "data_filter"):  # not in Debian 12's Python
                archive.extraction_filter = staticmethod(tarfile.data_filter)
            archive.extractall(target / "source")
        (target / "whole").touch()
    paths = [str(target / "source"), str(target / "site")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", "stackyard", *sys.argv[1:]]
    os.execve(sys.executable, command, environment)


def check(name: str, said: dict[str, object]) -> None:
    """End with a message where a file is not what bundle.json says."""
    try:
        content = (HERE / name).read_bytes()
    except OSError as error:
        sys.exit(f"{HERE / name} cannot be read: {error.strerror}\nhint: copy the bundle again")
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != said["digest"]:
        sys.exit(f"{HERE / name} is damaged\nhint: copy it again from where the bundle was made")


if __name__ == "__main__":
    main()
