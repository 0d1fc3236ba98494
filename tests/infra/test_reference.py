"""The reference is what the code says, and Pulumi.yaml names the same keys."""

from pathlib import Path

import yaml

from infra.problems.of_settings import known_keys
from infra.reference import reference

ROOT = Path(__file__).parents[2]


def test_the_reference_of_settings_is_up_to_date() -> None:
    written = (ROOT / "docs/reference/settings.md").read_text()

    assert written == reference(), "python -m infra.reference > docs/reference/settings.md"


def test_pulumi_yaml_declares_every_key_with_type_and_description() -> None:
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())

    assert list(project["config"]) == known_keys()
    for key, declared in project["config"].items():
        defaults = {"object": {}, "string": "", "boolean": False}
        assert declared["description"], key
        assert declared["default"] == defaults[declared["type"]], key
    assert "main" not in project
