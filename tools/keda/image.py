"""One folder with an image of KEDA's two programs and the objects that install it.

The objects are those of the module's own config/; KEDA's chart is in no package registry.
"""

import shutil
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path

from tools import builds, golang
from tools.cache import Entry, Recipe, content_key
from tools.keda.source import unpack
from tools.node.archive import ImageSpec, write_archive

HERE = Path(__file__).parent
IMAGE = f"localhost/stackyard/keda:{builds.KEDA_VERSION}"
ARCHIVE = "image.tar"  # as `docker save` writes it
OBJECTS = "kustomization.yaml"
USER = "65532:65532"  # as in KEDA's own images


def ensure() -> Entry:
    """Return the folder, made where it is not there: `kubectl apply --server-side -k FOLDER`."""
    ours = [HERE / name for name in ("source.py", "image.py", OBJECTS)]
    key = content_key(*ours, *map(repr, builds.KEDA))
    return Recipe(name="keda", key=key, make=_make).ensure()


def _make(folder: Path) -> str:
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        source = unpack(Path(scratch))
        programs = Path(scratch, "programs")
        programs.mkdir()
        for each in builds.KEDA:
            # in its own module, whose go.sum pins what it is built of
            golang.build(replace(each, module=str(source)), programs)
        shutil.copytree(source / "config", folder / "config")
        _write_image(programs, folder / ARCHIVE)
    (folder / OBJECTS).write_text(
        (HERE / OBJECTS).read_text().replace("VERSION", builds.KEDA_VERSION)
    )
    return golang.WAY


def _write_image(programs: Path, target: Path) -> None:
    layer = programs / "layer.tar"
    with tarfile.open(layer, "w") as tar:
        for each in builds.KEDA:
            info = tarfile.TarInfo(each.output)
            info.mode, info.size = 0o755, (programs / each.output).stat().st_size
            with (programs / each.output).open("rb") as file:
                tar.addfile(info, file)
    write_archive(target, [ImageSpec(tags=[IMAGE], layers=[layer], config={"User": USER})])
