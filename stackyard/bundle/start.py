"""The start on the sealed side, by Python 3.11 or newer and nothing else.

`python3 DIR/stackyard.py install --key cosign.pub --to FOLDER` makes a folder to deploy from: the
program, its packages in a virtual environment, and the tools. `python3 DIR/stackyard.py bundle load
DIR ...` runs the command from the bundle, unpacked into STACKYARD_RUN, on a machine without pip.
Either takes only files that are as bundle.json says.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from base64 import b64decode
from pathlib import Path
from typing import Any, NoReturn

HERE = Path(__file__).resolve().parent
FOLDERS = {"wheel": "wheels", "tool": "tools", "plugin": "plugins"}
SOURCE, LOCK = "source.tar", "bundle.lock"
RECORD = ".installed.json"  # of the folder: which files are in it
COPY_AGAIN = "copy it again from where the bundle was made"
STAND_IN = "@stand-in"
LOADER = "lib/ld-linux-x86-64.so.2"
Json = dict[str, Any]


def main() -> None:
    """Install, or unpack what is not unpacked yet and become `python -m stackyard`."""
    manifest = read_manifest()
    if sys.argv[1:2] == ["install"]:
        install(manifest, options(sys.argv[2:]))
        return
    wheels = [file for kind, file, _ in carried(manifest) if kind == "wheel"]
    for name in wheels:
        if name not in manifest["files"]:
            refuse(
                f"{HERE / name} is not in this bundle of differences",
                "FOLDER/bin/stackyard, installed from the bundle before this one",
            )
    key = hashlib.sha256(json.dumps(manifest["files"], sort_keys=True).encode()).hexdigest()[:16]
    base = Path(os.environ.get("STACKYARD_RUN") or Path.home() / ".cache/stackyard/run")
    target = base / key
    if not (target / "whole").is_file():
        for name in (*wheels, SOURCE):
            check(manifest, name)
        (target / "site").mkdir(parents=True, exist_ok=True)
        for name in wheels:
            with zipfile.ZipFile(HERE / name) as archive:
                archive.extractall(target / "site")
        unpack(HERE / SOURCE, target / "source")
        (target / "whole").touch()
    paths = [str(target / "source"), str(target / "site")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", "stackyard", *sys.argv[1:]]
    os.execve(sys.executable, command, environment)


def read_manifest() -> Json:
    """Return bundle.json; end where it, or this Python, cannot be used."""
    try:
        manifest: Json = json.loads((HERE / "bundle.json").read_text())
    except OSError as error:
        refuse(f"{HERE / 'bundle.json'} cannot be read: {error.strerror}", COPY_AGAIN)
    except ValueError:
        refuse(f"{HERE / 'bundle.json'} is cut off or damaged", COPY_AGAIN)
    have, want = sys.version_info[:2], tuple(map(int, manifest["python"].split(".")))
    if have != want:
        refuse(
            f"this is Python {have[0]}.{have[1]}, the wheels are for {manifest['python']}",
            f"python{manifest['python']} {sys.argv[0]}, or on the connected side: "
            f"stackyard bundle lock --python {have[0]}.{have[1]}, and create the bundle again",
        )
    return manifest


def options(arguments: list[str]) -> argparse.Namespace:
    """Return what follows `install`."""
    parser = argparse.ArgumentParser(prog=f"{sys.argv[0]} install", description=install.__doc__)
    trust = parser.add_mutually_exclusive_group(required=True)
    trust.add_argument("--key", type=Path, help="the public key of whoever made it, PEM")
    trust.add_argument(
        "--unverified",
        action="store_true",
        help="the signature was checked elsewhere, as README.md says",
    )
    place = Path.home() / "stackyard"
    parser.add_argument("--to", type=Path, default=place, help=f"the folder; {place}")
    return parser.parse_args(arguments)


def install(manifest: Json, given: argparse.Namespace) -> None:
    """Make a folder to deploy from, or bring it to this bundle; what it has already stays."""
    if given.key is not None:
        check_signature(given.key)
    target: Path = given.to.expanduser().resolve()
    record = target / RECORD
    had: dict[str, str] = json.loads(record.read_text()) if record.is_file() else {}
    wanted = {file: digest for _, file, digest in carried(manifest)}
    for name, digest in wanted.items():
        if name in manifest["files"]:
            check(manifest, name)
        elif had.get(name) != digest:
            refuse(
                f"{target} lacks {name}, which this bundle of differences builds on",
                "install the bundle before this one first, or a full one",
            )
    for name in (SOURCE, LOCK):
        check(manifest, name)
    wheels = {name: digest for name, digest in wanted.items() if name.startswith("wheels/")}
    new = sorted(name for name, digest in wheels.items() if had.get(name) != digest)
    gone = [name for name in had if name.startswith("wheels/") and name not in wheels]
    if new or gone:
        whole = wheels.keys() <= manifest["files"].keys()  # else only what is new is in here
        replaced = {*gone, *(wheels if whole else new)}
        had = {name: digest for name, digest in had.items() if name not in replaced}
        keep(record, had)  # what is cut off from here on is no whole install
        install_packages(target, sorted(wheels) if whole else new, fresh=whole)
        keep(record, had := {**had, **wheels})
    for name, digest in wanted.items():
        if had.pop(name, None) != digest:
            keep(record, had)
            put_tool(HERE / name, target / "bin")
        had[name] = digest
    put_program(target)
    shutil.copyfile(HERE / LOCK, target / LOCK)
    keep(record, wanted)
    tell_next(manifest, given, target)


def keep(record: Path, files: dict[str, str]) -> None:
    """Write which files a folder has, whole or not at all."""
    record.parent.mkdir(parents=True, exist_ok=True)
    draft = record.with_suffix(".new")
    draft.write_text(json.dumps(files, indent=1))
    draft.replace(record)


def carried(manifest: Json) -> list[tuple[str, str, str]]:
    """Return kind, file and digest of every wheel, tool and plugin that the stack needs."""
    return [
        (
            each["kind"],
            f"{FOLDERS[each['kind']]}/"
            + (each["reference"] if each["kind"] == "wheel" else f"{each['name']}.tar"),
            each["digest"],
        )
        for each in manifest["items"]
        if each["kind"] in FOLDERS
    ]


def check(manifest: Json, name: str) -> None:
    """End with a message where a file is not what bundle.json says."""
    said, path = manifest["files"][name], HERE / name
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        refuse(f"{path} cannot be read: {error.strerror}", COPY_AGAIN)
    if size < said["size"]:
        refuse(f"{path} is cut off: {size} of {said['size']} bytes", COPY_AGAIN)
    if f"sha256:{found}" != said["digest"]:
        refuse(f"{path} is damaged: its sha256 is not the one in bundle.json", COPY_AGAIN)


def check_signature(key: Path) -> None:
    """Ask the system's openssl, because the library that could is one of the files in question."""
    openssl, signature = shutil.which("openssl"), HERE / "bundle.json.sig"
    if openssl is None:
        refuse(
            "openssl is not on PATH, so the signature of bundle.json was not checked",
            "check it on another machine as README.md says, then --unverified in place of --key",
        )
    if not signature.is_file():
        refuse(f"{HERE / 'bundle.json'} is not signed: there is no {signature.name}", COPY_AGAIN)
    with tempfile.NamedTemporaryFile() as raw:
        try:
            raw.write(b64decode(signature.read_text(), validate=False))
        except ValueError:
            refuse(f"{signature} is damaged", COPY_AGAIN)
        raw.flush()
        words = [openssl, "dgst", "-sha256", "-verify", str(key), "-signature", raw.name]
        done = subprocess.run([*words, str(HERE / "bundle.json")], capture_output=True, check=False)
    if done.returncode:
        refuse(
            f"{signature} is not the signature of bundle.json by {key}",
            "either the file was changed, or --key is not the public key of whoever made it",
        )


def install_packages(target: Path, wheels: list[str], *, fresh: bool) -> None:
    """Install wheels with pip, and nothing from elsewhere; into a new environment where `fresh`."""
    place = target / ".venv"
    if fresh:
        if importlib.util.find_spec("ensurepip") is None:
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            refuse(
                f"{sys.executable} has no pip: its module ensurepip is missing",
                f"apt-get install python{version}-venv, from the site's own mirror or on the disk",
            )
        import venv  # here, because Debian's smallest Python has none and loads bundles too

        venv.create(place, clear=True, symlinks=True, with_pip=True)
    words = ["-m", "pip", "install", "--isolated", "--quiet", "--disable-pip-version-check"]
    # no-deps: uv.lock has said which packages, down to the last
    words += ["--no-index", "--no-deps", "--no-compile", *(str(HERE / name) for name in wheels)]
    done = subprocess.run(
        [place / "bin/python", *words], capture_output=True, text=True, check=False
    )
    if wheels and done.returncode:
        refuse(f"pip failed:\n{done.stderr.strip()[-1500:]}", "free space, then the same again")
    (site,) = place.glob("lib/python*/site-packages")
    (site / "stackyard.pth").write_text(f"{target}\n")


def put_tool(archive: Path, place: Path) -> None:
    """Unpack a tool or a plugin; one with its own libraries gets a folder and a start script."""
    with tarfile.open(archive) as opened:
        portable = LOADER in opened.getnames()
    if not portable:
        unpack(archive, place)
        return
    folder = place / f"{archive.stem}.d"
    unpack(archive, folder)
    write_script(
        place / archive.stem,
        f'here="$(dirname "$0")/{folder.name}"\n'
        f'exec "$here/{LOADER}" --library-path "$here/lib" "$here/{archive.stem}" "$@"\n',
    )


def put_program(target: Path) -> None:
    """Replace the program; what else lies in the folder, such as settings, is left alone."""
    with tarfile.open(HERE / SOURCE) as opened:
        tops = {name.partition("/")[0] for name in opened.getnames()}
    for top in tops:
        if (target / top).is_dir():
            shutil.rmtree(target / top)
    unpack(HERE / SOURCE, target)
    quoted = shlex.quote(str(target))
    write_script(
        target / "bin/stackyard",
        f'export PATH={quoted}/bin:"$PATH"\nexec {quoted}/.venv/bin/python -P -m stackyard "$@"\n',
    )


def unpack(archive: Path, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as opened:
        if hasattr(tarfile, "data_filter"):  # not in Debian 12's Python
            opened.extraction_filter = staticmethod(tarfile.data_filter)
        opened.extractall(place)


def write_script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)


def tell_next(manifest: Json, given: argparse.Namespace, target: Path) -> None:
    """Say what is not as at other sites, and the commands that come now."""
    stack, command = manifest["stack"], shlex.quote(str(target / "bin/stackyard"))
    print(f"{target} deploys the bundle of stack {stack} of {manifest['made']}")
    for each in manifest["items"]:
        if each["kind"] == "plugin" and each["reference"].endswith(STAND_IN):
            print(f"plugin:{each['name']} is the tests' stand-in, not Pulumi's: not for production")
    for key in manifest["left_out"]:
        print(f"{key} was left out of the bundle")
    trusted = given.key or "cosign.pub"
    print(
        f"next, the registry:\n  {command} bundle load {shlex.quote(str(HERE))} --key {trusted} "
        f"--registry HOST/PREFIX\nthen, with Pulumi.{stack}.yaml and ca.crt in {target}:\n"
        f"  cd {shlex.quote(str(target))} && bin/stackyard up --stack {stack}"
    )


def refuse(what: str, hint: str) -> NoReturn:
    sys.exit(f"{what}\nhint: {hint}")


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        refuse(str(error), "free space, or give the right to it; then the same again goes on")
