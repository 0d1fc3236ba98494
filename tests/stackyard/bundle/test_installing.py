"""A bundle makes the machine that deploys, by Python alone; what is wrong is said with its file."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stackyard.bundle import signing
from stackyard.bundle.layout import digest_of
from stackyard.bundle.papers import START, checksums
from tests.stackyard.bundle.conftest import Keys

pytestmark = pytest.mark.integration
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
WHEEL = "wheels/small-1-py3-none-any.whl"
LOADER = "lib/ld-linux-x86-64.so.2"
Damage = Callable[[Path], None]


def wheel(version: str) -> bytes:
    out = io.BytesIO()
    about = f"small-{version}.dist-info"
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("small.py", f"VERSION = '{version}'\n")
        text = f"Metadata-Version: 2.1\nName: small\nVersion: {version}\n"
        archive.writestr(f"{about}/METADATA", text)
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return out.getvalue()


def tar(files: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text), 0o755
            archive.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


FILES = {
    WHEEL: wheel("1"),
    "tools/pulumi.tar": tar({"pulumi": "#!/bin/sh\necho engine\n"}),
    # the loader is a double that says what it was asked to run
    "tools/skopeo.tar": tar({"skopeo": "", LOADER: '#!/bin/sh\necho "$@"\n'}),
    "plugins/kubernetes.tar": tar({"pulumi-resource-kubernetes": "#!/bin/sh\n"}),
}


@dataclass
class Bundle:
    """A small bundle, and what its stackyard.py says."""

    folder: Path
    target: Path
    key: Path

    def install(
        self, *words: str, code: int = 0, before: str = "", path: str = "/usr/bin:/bin"
    ) -> str:
        """Run the install after some lines of Python; return both of its streams."""
        script = self.folder / "stackyard.py"
        given = words or ("--key", str(self.key))
        lines = [
            "import runpy, sys",
            before,
            f"sys.argv = {[str(script), 'install', *given, '--to', str(self.target)]!r}",
            f"runpy.run_path({str(script)!r}, run_name='__main__')",
        ]
        done = subprocess.run(
            [sys.executable, "-c", "\n".join(lines)],
            env={"HOME": str(self.target.parent), "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        return said


def write_bundle(
    folder: Path,
    keys: Keys,
    program: Mapping[str, str],
    *,
    files: Mapping[str, bytes] = FILES,
    without: tuple[str, ...] = (),
) -> None:
    """Write a bundle of files; those left out are in its list of items all the same."""
    carried = {name: content for name, content in files.items() if name not in without}
    carried |= {"source.tar": tar(program), "bundle.lock": b"{}\n"}
    for name, content in carried.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    items = [
        {
            "kind": {"wheels": "wheel", "tools": "tool", "plugins": "plugin"}[Path(name).parts[0]],
            "name": Path(name).stem,
            "reference": "p@stand-in" if name.startswith("plugins") else Path(name).name,
            "digest": digest_of(content),
        }
        for name, content in files.items()
    ]
    manifest: dict[str, Any] = {
        "stack": "sealed",
        "made": "2026-11-27",
        "python": PYTHON,
        "items": items,
        "left_out": [],
        "files": {name: each.model_dump() for name, each in checksums(folder).items()},
    }
    text = json.dumps(manifest).encode()
    (folder / "bundle.json").write_bytes(text)
    private = signing.read_private_key(keys.private, None)
    (folder / "bundle.json.sig").write_text(signing.sign(private, text))
    (folder / "stackyard.py").write_bytes(START.read_bytes())


@pytest.fixture
def bundle(tmp_path: Path, keys: Keys) -> Bundle:
    write_bundle(tmp_path / "bundle", keys, {"Pulumi.yaml": "name: stackyard\n", "infra/a.py": ""})
    return Bundle(tmp_path / "bundle", tmp_path / "site of ours", keys.public)


def said_by(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_folder_is_made_kept_brought_on_and_never_emptied_of_what_is_not_the_bundles(
    bundle: Bundle, keys: Keys, tmp_path: Path
) -> None:
    said = bundle.install()
    bin_, python = bundle.target / "bin", bundle.target / ".venv/bin/python"

    assert f"bundle load {bundle.folder} --key {bundle.key}" in said
    assert "plugin:kubernetes is the tests' stand-in, not Pulumi's" in said
    assert said_by(python, "-P", "-c", "import small, infra.a; print(small.VERSION)") == "1"
    assert said_by(bin_ / "pulumi") == "engine"
    assert said_by(bin_ / "skopeo", "copy").endswith("bin/skopeo.d/skopeo copy")
    assert os.access(bin_ / "stackyard", os.X_OK)
    assert (bundle.target / "bundle.lock").read_text() == "{}\n"

    # a bundle of differences: another program, one package in another version
    (bundle.target / "Pulumi.sealed.yaml").write_text("config: {}\n")
    made = python.stat().st_ctime_ns
    less = Bundle(tmp_path / "less", bundle.target, bundle.key)
    program = {"Pulumi.yaml": "name: stackyard\n", "infra/b.py": ""}
    files = {name: content for name, content in FILES.items() if name != WHEEL}
    files |= {WHEEL.replace("small-1", "small-2"): wheel("2")}
    absent = tuple(name for name in FILES if name != WHEEL)
    write_bundle(less.folder, keys, program, files=files, without=absent)
    less.install()

    assert (bundle.target / "infra/b.py").is_file()
    assert not (bundle.target / "infra/a.py").exists()
    assert (bundle.target / "Pulumi.sealed.yaml").is_file()
    assert said_by(python, "-P", "-c", "import small; print(small.VERSION)") == "2"
    assert python.stat().st_ctime_ns == made, "the environment is the one that was there"
    assert said_by(bin_ / "pulumi") == "engine"


def cut(folder: Path) -> None:
    file = folder / "tools/pulumi.tar"
    file.write_bytes(file.read_bytes()[:-1])


def flip(folder: Path) -> None:
    content = bytearray((folder / WHEEL).read_bytes())
    content[40] ^= 1
    (folder / WHEEL).write_bytes(content)


def lose(folder: Path) -> None:
    (folder / "source.tar").unlink()


def cut_the_list(folder: Path) -> None:
    file = folder / "bundle.json"
    file.write_bytes(file.read_bytes()[:100])


def lose_the_list(folder: Path) -> None:
    (folder / "bundle.json").unlink()


def edit(folder: Path) -> None:
    file = folder / "bundle.json"
    file.write_text(file.read_text().replace("2026-11-27", "2026-11-28"))


def unsign(folder: Path) -> None:
    (folder / "bundle.json.sig").unlink()


@pytest.mark.parametrize(
    ("damage", "file", "what"),
    [
        (cut, "tools/pulumi.tar", "is cut off:"),
        (flip, WHEEL, "is damaged"),
        (lose, "source.tar", "cannot be read: No such file"),
        (cut_the_list, "bundle.json", "is cut off or damaged"),
        (lose_the_list, "bundle.json", "cannot be read: No such file"),
        (edit, "bundle.json.sig", "is not the signature of bundle.json by"),
        (unsign, "bundle.json", "is not signed"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_bundle_that_is_not_whole_is_refused_with_the_file_and_installs_nothing(
    bundle: Bundle, damage: Damage, file: str, what: str
) -> None:
    damage(bundle.folder)

    said = bundle.install(code=1)

    assert f"{bundle.folder / file} {what}" in said
    assert "\nhint: " in said
    assert not bundle.target.exists()


@pytest.mark.parametrize(
    ("before", "what", "hint"),
    [
        (
            "sys.version_info = (3, 12, 1, 'final', 0)",
            "this is Python 3.12, the wheels are for",
            "stackyard bundle lock --python 3.12",
        ),
        ("sys.modules['ensurepip'] = None", "has no pip", "-venv"),
    ],
    ids=["another Python", "no pip"],
)
def test_a_python_that_does_not_fit_is_named_with_what_to_do(
    bundle: Bundle, before: str, what: str, hint: str
) -> None:
    if PYTHON == "3.12":
        before = before.replace("12", "11")
        what, hint = what.replace("3.12", "3.11"), hint.replace("3.12", "3.11")

    said = bundle.install(code=1, before=before)

    assert what in said
    assert hint in said.partition("hint: ")[2]


def test_a_full_disk_is_named_and_nothing_counts_as_installed(bundle: Bundle) -> None:
    full = "raise OSError(28, 'No space left on device', str(place))"
    before = f"import venv\ndef create(place, **_): {full}\nvenv.create = create"

    said = bundle.install(code=1, before=before)

    assert f"No space left on device: '{bundle.target / '.venv'}'\nhint: free space" in said
    assert json.loads((bundle.target / ".installed.json").read_text()) == {}


def test_the_signature_is_checked_or_said_to_be_checked_elsewhere(
    bundle: Bundle, tmp_path: Path
) -> None:
    other = signing.make_key_pair(tmp_path / "other", None)[1]

    assert "one of the arguments --key --unverified is required" in bundle.install(
        "--to", "x", code=2
    )
    assert "is not the signature" in bundle.install("--key", str(other), code=1)
    without = bundle.install(code=1, path="/nowhere")
    assert "openssl is not on PATH" in without
    assert "--unverified in place of --key" in without


def test_differences_are_refused_where_what_they_build_on_is_not(
    bundle: Bundle, keys: Keys
) -> None:
    shutil.rmtree(bundle.folder)
    write_bundle(bundle.folder, keys, {"Pulumi.yaml": ""}, without=(WHEEL,))

    said = bundle.install("--unverified", code=1)

    assert f"{bundle.target} lacks {WHEEL}, which this bundle of differences builds on" in said
    assert "install the bundle before this one first" in said
    assert not bundle.target.exists()
