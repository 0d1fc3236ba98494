"""Which tools a stack asks this machine for."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from stackyard import machine
from stackyard.errors import Trouble
from stackyard.project import Stack
from tools import toolchain

HERE = "config:\n  stackyard:cluster: {kind: existing}\n"


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (HERE, {"kubectl", "helm", "pulumi", toolchain.PLUGIN}),
        # nothing is looked for outside where the bundle's install has put it, or could not
        (f"{HERE}  stackyard:airgapped: true\n", {"kubectl", "helm", "pulumi"}),
    ],
    ids=["elsewhere", "sealed"],
)
def test_a_cluster_elsewhere_takes_neither_docker_nor_kind_nor_uv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str, wanted: set[str]
) -> None:
    (tmp_path / "Pulumi.prod.yaml").write_text(settings)
    asked: set[str] = set()

    def ensure(names: Iterable[str]) -> dict[str, Path]:
        asked.update(names)
        return {}

    monkeypatch.setattr(toolchain, "ensure", ensure)

    machine.prepare(Stack("prod", tmp_path), lambda _told: None)

    assert asked == wanted


def test_settings_that_are_no_yaml_are_told_with_their_line(tmp_path: Path) -> None:
    stack = Stack("dev", tmp_path)
    stack.settings_file.write_text("config:\n  a: [1\n")

    with pytest.raises(Trouble, match=r"Pulumi\.dev\.yaml is not YAML line 3"):
        machine.exports(stack)
