"""Backups by the clock: none unless a schedule is set, and then with one way to the app."""

import pytest

from tests.infra.conftest import Deploy
from tests.infra.test_settings import refusal

NIGHTLY = {"backup": {"schedule": "0 3 * * *", "keep": 3, "storage": "5Gi"}}


def test_a_stack_without_a_schedule_has_none(deploy: Deploy) -> None:
    assert deploy().of("CronJob") == []


def test_a_backup_goes_from_the_app_to_a_protected_volume(deploy: Deploy) -> None:
    found = deploy(NIGHTLY)

    cron, volume = found["backup-cron"].inputs["spec"], found["backup-data"]
    pod = cron["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert cron["schedule"] == "0 3 * * *"
    assert cron["concurrencyPolicy"] == "Forbid"
    assert container["args"] == [
        "http://rag.rag-dev.svc:1416",
        *("--key-file", "/etc/rag/key"),
        *("--folder", "/backups"),
        *("--keep", "3"),
    ]
    assert volume.protect
    assert volume.inputs["spec"]["resources"]["requests"]["storage"] == "5Gi"
    # the key is a file, and secret in the state
    assert found["backup-key"].shown["stringData"] == "[secret]"
    assert "env" not in container


def test_only_the_app_is_open_to_it(deploy: Deploy) -> None:
    policies = {each.inputs["metadata"]["name"] for each in deploy(NIGHTLY).of("NetworkPolicy")}

    assert {name for name in policies if "backup" in name} == {
        "backup-to-rag-egress",
        "backup-to-rag-ingress",
    }


@pytest.mark.parametrize("schedule", ["nightly", "0 3 * *", "* * * * * *", "@daily"])
def test_a_schedule_is_five_fields(deploy: Deploy, schedule: str) -> None:
    told = refusal(deploy, {"backup": {"schedule": schedule}})

    assert f"stackyard:backup.schedule: is '{schedule}'; string should match" in told
