"""KEDA for the long journeys: what is cut out of it, and what the folder has; go is a double."""

import json
import tarfile
import zipfile
from pathlib import Path
from typing import IO

import pytest
import yaml

from infra.schema.scaling import KEDA_VERSION
from tests.tools.conftest import Yard
from tools import builds
from tools.errors import ToolUnavailable
from tools.keda import image, source

CHOOSER = """\
	// TRIGGERS-START
	switch triggerType {
	case "activemq":
		return scalers.NewActiveMQScaler(config)
	case "cron":
		return scalers.NewCronScaler(config)
	case "metrics-api":
		return scalers.NewMetricsAPIScaler(config, client)
	default:
		return nil, fmt.Errorf("no scaler found for type: %s", triggerType)
	}
	// TRIGGERS-END
"""
FILES = {
    source.CHOOSER: CHOOSER,
    "pkg/scalers/scaler.go": "package scalers",
    "pkg/scalers/activemq_scaler.go": "package scalers",
    "pkg/scalers/azure/azure_eventhub.go": "package azure",
    "pkg/scalers/aws/aws_common.go": "package aws",
    "config/minimal/kustomization.yaml": "resources: []\n",
}
# downloads what a test has put there, and builds what it is asked for
GO = """
case "$1" in
version) echo go version go1.26.8 linux/amd64 ;;
mod) echo '{told}' ;;
list) echo x ;;
build) while [ "$1" != -o ]; do shift; done; echo "the program" > "$2" ;;
esac
"""


def module(yard: Yard, checksum: str = source.CHECKSUM) -> None:
    """Put a go on PATH that serves a small KEDA."""
    zipped = yard.path / "keda.zip"
    with zipfile.ZipFile(zipped, "w") as opened:
        for name, text in {**FILES, "go.sum": ""}.items():
            opened.writestr(f"{source.MODULE}@v{KEDA_VERSION}/{name}", text)
    told = json.dumps({"Zip": str(zipped), "Sum": checksum})
    yard.put("go", GO.replace("{told}", told))


def test_it_is_the_version_that_stacks_install() -> None:
    assert builds.KEDA_VERSION == KEDA_VERSION


def test_only_the_scalers_that_our_stacks_use_are_left(yard: Yard, tmp_path: Path) -> None:
    module(yard)

    found = source.unpack(tmp_path / "keda")

    left = {str(file.relative_to(found)) for file in found.rglob("*.go")}
    assert left == {
        "pkg/scalers/scaler.go",
        "pkg/scalers/aws/aws_common.go",
        source.SHARED,
        source.CHOOSER,
    }
    chooser = (found / source.CHOOSER).read_text()
    assert chooser == CHOOSER.replace(
        '\tcase "activemq":\n\t\treturn scalers.NewActiveMQScaler(config)\n', ""
    )


def test_a_keda_that_chooses_otherwise_is_refused(tmp_path: Path) -> None:
    chooser = tmp_path / source.CHOOSER
    chooser.parent.mkdir(parents=True)
    (tmp_path / "pkg/scalers").mkdir()
    chooser.write_text(CHOOSER.replace('"metrics-api"', '"metrics-by-api"'))

    with pytest.raises(ToolUnavailable, match=r"chooses no metrics-api\nhint: "):
        source.cut(tmp_path)


def test_another_module_than_the_pinned_one_is_refused(yard: Yard, tmp_path: Path) -> None:
    module(yard, checksum="h1:another")

    with pytest.raises(ToolUnavailable) as found:
        source.unpack(tmp_path)

    assert str(found.value) == (
        f"the module proxy serves {source.MODULE} v{KEDA_VERSION} as h1:another, "
        f"{source.CHECKSUM} is pinned\nhint: use another GOPROXY"
    )


def test_the_folder_has_an_image_of_both_programs_and_what_installs_it(yard: Yard) -> None:
    module(yard)

    folder = image.ensure().folder

    with tarfile.open(folder / image.ARCHIVE) as archive:
        (manifest,) = json.load(_member(archive, "manifest.json"))
        config = json.load(_member(archive, manifest["Config"]))
        with tarfile.open(fileobj=_member(archive, manifest["Layers"][0])) as layer:
            programs = {each.name: each.mode for each in layer}
    assert manifest["RepoTags"] == [image.IMAGE]
    assert config["config"] == {"User": "65532:65532"}
    assert programs == {"keda": 0o755, "keda-adapter": 0o755}
    objects = yaml.safe_load((folder / image.OBJECTS).read_text())
    assert {f"{each['newName']}:{each['newTag']}" for each in objects["images"]} == {image.IMAGE}
    assert (folder / objects["resources"][0] / "kustomization.yaml").exists()


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    found = archive.extractfile(name)
    assert found is not None
    return found
