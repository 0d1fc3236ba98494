"""Backups by the clock or by what changes: none unless set, and then with one way to the app."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pulumi
import pytest

from app.backup.keeping import parser
from infra.components.rag_inputs import sealing_keys
from policy.pack import kind_of
from policy.rule import Resource
from policy.rules import RULES
from tests.infra.conftest import Deploy
from tests.infra.test_settings import refusal

NIGHTLY = {"backup": {"schedule": "0 3 * * *", "keep": 3, "storage": "5Gi"}}
FOLLOWING = {"backup": {"follow": 30, "wholeEvery": 12, "keep": 3}}

S3 = {"bucket": "vault", "prefix": "prod/", "endpoint": "https://minio.example.org:9000"}
KEYS = {"backupKeys": base64.b64encode(bytes(32)).decode(), "backupBucketKey": "id:secret"}


def key(number: int) -> str:
    return base64.b64encode(bytes([number]) * 32).decode()


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


def test_what_follows_is_one_pod_that_runs_always_in_place_of_the_clock(deploy: Deploy) -> None:
    found = deploy(FOLLOWING)

    follower = found["backup-follower"].inputs
    (container,) = follower["spec"]["template"]["spec"]["containers"]
    given = parser().parse_args(container["args"])
    assert found.of("CronJob") == []
    assert follower["spec"]["replicas"] == 1
    assert follower["spec"]["strategy"] == {"type": "Recreate"}
    assert follower["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}
    assert "restartPolicy" not in follower["spec"]["template"]["spec"]
    assert follower["spec"]["template"]["spec"]["priorityClassName"] == "stackyard-dev-background"
    assert (given.follow, given.whole_every, given.keep) == (30.0, 12.0, 3)
    assert str(given.folder) == "/backups"
    assert found["backup-data"].protect
    policies = {each.inputs["metadata"]["name"] for each in found.of("NetworkPolicy")}
    assert {name for name in policies if "backup" in name} == {
        "backup-to-rag-egress",
        "backup-to-rag-ingress",
    }
    resources = [
        Resource(kind_of(each.type, each.inputs), each.name, each.inputs, ())
        for each in found.resources
        if each.name.startswith("backup-") and each.custom
    ]
    assert [line for each in resources for rule in RULES for line in rule.violations(each)] == []


def test_its_probes_tell_how_it_goes(deploy: Deploy, tmp_path: Path) -> None:
    pod = deploy(FOLLOWING)["backup-follower"].inputs["spec"]["template"]["spec"]
    state = tmp_path / "state"

    def fails(probe: str) -> int:
        command = pod["containers"][0][probe]["exec"]["command"]
        assert command[:2] == ["python3", "-c"]
        program = command[2].replace("/tmp/state", str(state))
        return subprocess.run([sys.executable, "-c", program], capture_output=True).returncode

    assert [fails("readinessProbe"), fails("livenessProbe")] == [1, 1]
    for said, ready in (("starting", 1), ("following", 0), ("failing", 1)):
        state.write_text(said)
        assert [fails("readinessProbe"), fails("livenessProbe")] == [ready, 0]
    os.utime(state, (1, 1))
    assert fails("livenessProbe") == 1


def test_what_follows_into_a_bucket_has_its_key_and_no_volume(deploy: Deploy) -> None:
    settings = to_bucket("local")
    settings["backup"] = {"follow": 60, "s3": S3}

    found = deploy(settings, secrets=KEYS)

    (container,) = found["backup-follower"].inputs["spec"]["template"]["spec"]["containers"]
    given = parser().parse_args(container["args"])
    assert (given.bucket, given.prefix, given.follow) == ("vault", "prod/", 60.0)
    assert str(given.bucket_key_file) == "/etc/rag/bucket-key"
    assert "backup-data" not in [each.name for each in found.resources]


@pytest.mark.parametrize(
    ("backup", "said"),
    [
        ({"follow": 30, "schedule": "0 3 * * *"}, "follow: is '30', and backup.schedule is '0 3"),
        ({"wholeEvery": 12}, "wholeEvery: is '12'; it is for backup.follow, which is not set"),
        ({"follow": 4}, "follow: is 4; input should be greater than or equal to 5"),
        ({"follow": 4000}, "follow: is 4000; input should be less than or equal to 3600"),
    ],
)
def test_what_cannot_follow_is_refused_with_the_setting(
    deploy: Deploy, backup: dict[str, object], said: str
) -> None:
    assert f"stackyard:backup.{said}" in refusal(deploy, {"backup": backup})


@pytest.mark.parametrize("schedule", ["nightly", "0 3 * *", "* * * * * *", "@daily"])
def test_a_schedule_is_five_fields(deploy: Deploy, schedule: str) -> None:
    told = refusal(deploy, {"backup": {"schedule": schedule}})

    assert f"stackyard:backup.schedule: is '{schedule}'; string should match" in told


def test_keys_of_backups_are_a_file_of_the_app_and_nowhere_in_plain(deploy: Deploy) -> None:
    keys = f"{key(1)}, {key(2)}"
    found = deploy(NIGHTLY, secrets={"backupKeys": keys})

    (app,) = found.pods["rag"]["containers"]
    environment = {each["name"]: each["value"] for each in app["env"]}
    assert environment["RAG_BACKUP_KEYS_FILE"] == "/etc/rag/backup-keys"
    assert found["rag-keys"].inputs["stringData"]["backup-keys"] == f"{key(1)}\n{key(2)}\n"
    assert found["rag-keys"].shown["stringData"] == "[secret]"
    assert key(1) not in str([each.shown for each in found.resources])


@pytest.mark.parametrize("bad", ["hunter2", "aGVsbG8="])
def test_a_key_of_backups_is_32_bytes_and_its_refusal_tells_nothing_of_it(bad: str) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        sealing_keys(f"{key(1)} {bad}")

    assert "stackyard:backupKeys: key 2 is not 32 bytes in base64\nhint: openssl" in str(
        refused.value
    )
    assert bad not in str(refused.value)


def to_bucket(cluster: str = "existing", **changed: object) -> dict[str, object]:
    place = {"context": "here", "kubeconfig": __file__} if cluster == "existing" else {}
    return {
        "cluster": {"kind": cluster, **place},
        "registry": {"host": "registry.example.org"} if place else {},
        "backup": {"schedule": "0 3 * * *", "s3": {**S3, **changed}},
    }


def test_into_a_bucket_goes_no_volume_and_its_key_is_a_file(deploy: Deploy) -> None:
    found = deploy(to_bucket("local"), secrets=KEYS)

    pod = found["backup-cron"].inputs["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"][3:] == [
        *("--bucket", "vault", "--prefix", "prod/"),
        *("--endpoint", "https://minio.example.org:9000", "--region", "us-east-1"),
        *("--bucket-key-file", "/etc/rag/bucket-key"),
        *("--keep", "7"),
    ]
    assert [each["name"] for each in pod["volumes"]] == ["key", "tmp"]
    assert found["backup-key"].inputs["stringData"]["bucket-key"] == "id:secret"
    assert found["backup-key"].shown["stringData"] == "[secret]"
    assert "backup-data" not in [each.name for each in found.resources]


def test_the_only_ways_are_to_the_app_the_bucket_and_the_agent_of_identities(
    deploy: Deploy,
) -> None:
    by_identity = {key: value for key, value in KEYS.items() if key != "backupBucketKey"}

    found = deploy(to_bucket(endpoint=None, region="eu-central-1"), secrets=by_identity)

    policies = {each.inputs["metadata"]["name"]: each for each in found.of("NetworkPolicy")}
    (bucket,) = policies["backup-to-backup-bucket-egress"].inputs["spec"]["egress"]
    (agent,) = policies["backup-to-pod-identity-egress"].inputs["spec"]["egress"]
    assert bucket["ports"] == [{"port": 443, "protocol": "TCP"}]
    assert [each["ipBlock"]["cidr"] for each in agent["to"]] == [
        "169.254.170.23/32",
        "fd00:ec2::23/128",
    ]
    assert agent["ports"] == [{"port": 80, "protocol": "TCP"}]
    pod = found["backup-cron"].inputs["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert "https://s3.eu-central-1.amazonaws.com" in pod["containers"][0]["args"]
    assert "--bucket-key-file" not in pod["containers"][0]["args"]


@pytest.mark.parametrize(
    ("settings", "secrets", "said"),
    [
        (to_bucket(), {"backupBucketKey": "i:s"}, "backupKeys: is not set; into a bucket backups"),
        (to_bucket(endpoint=None), KEYS, "backup.s3.region: is not set, nor is backup.s3.endpoint"),
        (to_bucket("local"), {"backupKeys": "k"}, "backupBucketKey: is not set; a local cluster"),
        ({"backup": {"s3": S3}}, KEYS, "backup.schedule: is not set; backups go into backup.s3"),
        ({}, KEYS, "backupBucketKey: is set; it is for backup.s3, which is not"),
        (
            {"backup": {"schedule": "0 3 * * *", "storage": "5Gi", "s3": S3}},
            KEYS,
            "backup.storage: is '5Gi'; with backup.s3 there is no volume",
        ),
    ],
)
def test_a_bucket_that_cannot_work_is_refused_with_the_setting(
    deploy: Deploy, settings: dict[str, object], secrets: dict[str, str], said: str
) -> None:
    assert f"stackyard:{said}" in refusal(deploy, settings, secrets)


@pytest.mark.parametrize(
    ("app", "told"),
    [
        ({}, ["http://127.0.0.1:1416"]),
        ({"tls": {"mode": "selfSigned"}}, ["https://127.0.0.1:1416", "/etc/rag-tls/tls.crt"]),
    ],
)
def test_velero_makes_a_backup_in_the_apps_pod_before_it_takes_the_volume(
    deploy: Deploy, app: dict[str, object], told: list[str]
) -> None:
    found = deploy({"app": app, "backup": {"velero": True}})

    template = found["rag-deployment"].inputs["spec"]["template"]
    hooks = {
        name.removeprefix("pre.hook.backup.velero.io/"): value
        for name, value in template["metadata"]["annotations"].items()
    }
    command = json.loads(hooks.pop("command"))
    given = parser().parse_args(command[3:])
    (container,) = template["spec"]["containers"]
    mounts = {each["mountPath"] for each in container["volumeMounts"]}
    assert hooks == {"container": "rag", "timeout": "6h", "on-error": "Fail"}
    assert command[:3] == ["python3", "-m", "app.backup.keeping"]
    assert [given.url, *([str(given.pin)] if given.pin else [])] == told
    assert (str(given.folder), str(given.key_file)) == ("/data/velero", "/etc/rag/api-keys")
    assert {"/data", "/etc/rag"} <= mounts


def test_velero_and_several_pods_of_the_app_are_refused(deploy: Deploy) -> None:
    told = refusal(deploy, {"app": {"replicas": 2}, "backup": {"velero": True}})

    assert "stackyard:backup.velero: is true; with app.replicas '2' not one pod" in told
