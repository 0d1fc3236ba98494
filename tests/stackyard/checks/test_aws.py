"""Checks of AWS: botocore's stubber checks every request and answer against AWS's own models."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.session  # type: ignore[import-untyped]
import pytest
from botocore.stub import Stubber  # type: ignore[import-untyped]

from stackyard.checks import aws
from stackyard.checks.finding import Finding
from stackyard.planner.wants import PoolSettings

SESSION = botocore.session.Session()
ROLE = "arn:aws:sts::111122223333:assumed-role/Admin/me"
Answers = list[tuple[str, dict[str, Any]]]
Make = Callable[[str], Any]


class Stubs:
    """Clients whose answers were given beforehand; an answer that AWS could not give is refused."""

    def __init__(self) -> None:
        self.stubbers: dict[str, Any] = {}

    def __call__(self, service: str) -> Any:
        return self._stubber(service).client

    def answer(self, service: str, operation: str, **answer: Any) -> None:
        self._stubber(service).add_response(operation, answer)

    def refuse(self, service: str, operation: str, code: str) -> None:
        self._stubber(service).add_client_error(operation, code, "no")

    def _stubber(self, service: str) -> Any:
        if service not in self.stubbers:
            client = SESSION.create_client(
                service,
                region_name="eu-west-1",
                aws_access_key_id="x",
                aws_secret_access_key="x",
            )
            self.stubbers[service] = Stubber(client)
            self.stubbers[service].activate()
        return self.stubbers[service]


@pytest.fixture
def stubs() -> Iterator[Stubs]:
    made = Stubs()
    yield made
    for stubber in made.stubbers.values():
        stubber.assert_no_pending_responses()


def pool(*types: str, **changes: Any) -> PoolSettings:
    return PoolSettings.model_validate({"name": "gpu", "instanceTypes": list(types), **changes})


def caller(stubs: Stubs, account: str = "111122223333") -> None:
    stubs.answer("sts", "get_caller_identity", Account=account, Arn=ROLE, UserId="x")


def one(found: Iterator[Finding]) -> Finding:
    (finding,) = found
    return finding


def test_the_caller_is_named_with_its_account(stubs: Stubs) -> None:
    caller(stubs)

    assert one(aws.identity(stubs, "111122223333")).what == f"{ROLE} of account 111122223333"


def test_another_account_than_the_stacks_is_a_problem(stubs: Stubs) -> None:
    caller(stubs, "999999999999")

    finding = one(aws.identity(stubs, "111122223333"))

    assert finding.status == "problem"
    assert finding.why == "the stack says account 111122223333, and makes nothing in another"


def test_without_credentials_the_command_that_gets_them_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ROLE_ARN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    make = aws.clients("eu-west-1")
    assert not isinstance(make, Finding)

    finding = one(aws.identity(make, None))

    assert finding.status == "problem"
    assert finding.what == "Unable to locate credentials"


def test_a_session_is_simulated_as_its_role(stubs: Stubs) -> None:
    caller(stubs)
    results = [{"EvalActionName": name, "EvalDecision": "allowed"} for name in aws.ACTIONS]
    stubs.answer("iam", "simulate_principal_policy", EvaluationResults=results)

    finding = one(aws.permissions(stubs))

    assert finding.status == "ok"
    assert finding.what.endswith("are allowed to arn:aws:iam::111122223333:role/Admin")


def test_a_denied_action_is_named(stubs: Stubs) -> None:
    caller(stubs)
    denied = [{"EvalActionName": "iam:PassRole", "EvalDecision": "implicitDeny"}]
    stubs.answer("iam", "simulate_principal_policy", EvaluationResults=denied)

    assert one(aws.permissions(stubs)).what == "denied: iam:PassRole"


def test_who_may_not_simulate_leaves_the_rights_unknown(stubs: Stubs) -> None:
    caller(stubs)
    stubs.refuse("iam", "simulate_principal_policy", "AccessDenied")

    assert one(aws.permissions(stubs)).status == "unknown"


def zone(name: str) -> dict[str, str]:
    return {"ZoneName": name, "State": "available"}


def test_a_zone_that_is_not_there_is_a_problem(stubs: Stubs) -> None:
    zones = [zone("eu-west-1a"), zone("eu-west-1b")]
    stubs.answer("ec2", "describe_availability_zones", AvailabilityZones=zones)

    finding = one(aws.zones(stubs, ["eu-west-1a", "eu-west-1d"]))

    assert finding.what == "eu-west-1d not there; there are eu-west-1a, eu-west-1b"


def offer(name: str, where: str) -> dict[str, str]:
    return {"InstanceType": name, "LocationType": "availability-zone", "Location": where}


@pytest.mark.parametrize(
    ("offered", "what"),
    [
        (["eu-west-1a"], "g6e.2xlarge (pool gpu) is not offered in eu-west-1b"),
        (["eu-west-1c"], "g6e.2xlarge (pool gpu) is not offered in eu-west-1a, eu-west-1b"),
        (["eu-west-1a", "eu-west-1b"], "g6e.2xlarge in eu-west-1a, eu-west-1b"),
    ],
)
def test_offers_are_compared_with_the_pools_zones(
    stubs: Stubs, offered: list[str], what: str
) -> None:
    answer = [offer("g6e.2xlarge", where) for where in offered]
    stubs.answer("ec2", "describe_instance_type_offerings", InstanceTypeOfferings=answer)

    finding = one(aws.offers(stubs, [pool("g6e.2xlarge")], ["eu-west-1a", "eu-west-1b"]))

    assert finding.what == what


def quota(stubs: Stubs, limit: float, cores: int = 0, lifecycle: str | None = None) -> None:
    stubs.answer("service-quotas", "get_service_quota", Quota={"Value": limit})
    instance: dict[str, Any] = {"CpuOptions": {"CoreCount": cores, "ThreadsPerCore": 2}}
    if lifecycle:
        instance["InstanceLifecycle"] = lifecycle
    stubs.answer("ec2", "describe_instances", Reservations=[{"Instances": [instance]}])


def test_a_quota_that_holds_the_pool_is_fine(stubs: Stubs) -> None:
    quota(stubs, 16)

    finding = one(aws.quotas(stubs, [pool("g6e.2xlarge", max=2)]))

    assert finding.status == "ok"
    assert finding.what == "16 vCPUs, 0 in use, the pools take up to 16"


def test_a_quota_that_others_use_up_is_a_problem_with_the_request_to_make(stubs: Stubs) -> None:
    quota(stubs, 16, cores=4)

    finding = one(aws.quotas(stubs, [pool("g6e.2xlarge", max=2)]))

    assert finding.status == "problem"
    assert finding.fix == (
        "aws service-quotas request-service-quota-increase --service-code ec2 "
        "--quota-code L-DB2E81BA --desired-value 24"
    )


def test_spot_has_a_quota_of_its_own(stubs: Stubs) -> None:
    quota(stubs, 8, cores=4, lifecycle="spot")

    finding = one(aws.quotas(stubs, [pool("g6e.2xlarge", max=1, capacity="spot")]))

    assert finding.check == "quota of G spot"
    assert "--quota-code L-3819A6DF --desired-value 16" in finding.fix


def test_a_new_account_has_no_gpu_at_all(stubs: Stubs) -> None:
    quota(stubs, 0)

    assert one(aws.quotas(stubs, [pool("p5.4xlarge")])).status == "problem"


def test_without_botocore_the_finding_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "botocore.session", None)

    finding = aws.clients("eu-west-1")

    assert isinstance(finding, Finding)
    assert finding.fix == "make eks-packages"
