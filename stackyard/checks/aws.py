"""AWS, before an EKS stack is made: who we are, what is allowed, quotas, zones and offers."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from stackyard.checks.finding import Finding, ok, problem, unknown
from stackyard.planner.facts import node_types
from stackyard.planner.wants import PoolSettings

Client = Any  # botocore makes its clients' methods at run time
Clients = Callable[[str], Client]

# (family letter, capacity) -> code of the quota, in vCPUs (docs.aws.amazon.com/ec2, "On-Demand
# instance quotas" and "Spot instance quotas")
QUOTAS = {
    ("G", "on-demand"): "L-DB2E81BA",
    ("P", "on-demand"): "L-417A185B",
    ("G", "spot"): "L-3819A6DF",
    ("P", "spot"): "L-7212CCBC",
}
ACTIONS = (
    *("ec2:CreateVpc", "ec2:CreateSubnet", "ec2:CreateNatGateway", "ec2:CreateSecurityGroup"),
    *("ec2:CreateLaunchTemplate", "ec2:RunInstances", "ec2:CreateVpcEndpoint"),
    *("eks:CreateCluster", "eks:CreateNodegroup", "eks:CreateAddon", "eks:CreateAccessEntry"),
    *("eks:CreatePodIdentityAssociation", "iam:CreateRole", "iam:PassRole"),
    *("iam:AttachRolePolicy", "kms:CreateKey", "ecr:CreateRepository", "logs:CreateLogGroup"),
)
INSTALL = "make eks-packages"


def clients(region: str | None) -> Clients | Finding:
    """Return a maker of botocore clients, or the finding that botocore is not installed."""
    try:
        import botocore.session  # type: ignore[import-untyped]  # here: only EKS stacks have it
    except ImportError:
        why = "AWS could not be asked anything"
        return unknown("AWS", "botocore is not installed", why, INSTALL)
    session = botocore.session.get_session()

    def make(service: str) -> Client:
        return session.create_client(service, region_name=region)

    return make


def _said(error: Exception) -> str:
    return str(error).partition("\n")[0]


def identity(make: Clients, account: str | None) -> Iterator[Finding]:
    """Check that there are credentials, and of the account that the stack names."""
    try:
        caller = make("sts").get_caller_identity()
    except Exception as error:  # botocore's errors share no public base class
        why = "nothing can be made"
        yield problem("AWS credentials", _said(error), why, "aws sso login, or AWS_PROFILE=NAME")
        return
    found = f"{caller['Arn']} of account {caller['Account']}"
    if account is not None and caller["Account"] != account:
        why = f"the stack says account {account}, and makes nothing in another"
        fix = f"AWS_PROFILE of {account}, or stackyard:cluster.account {caller['Account']}"
        yield problem("AWS credentials", found, why, fix)
    else:
        yield ok("AWS credentials", found)


def permissions(make: Clients) -> Iterator[Finding]:
    """Check by simulation that the caller may do what the program does."""
    check = "AWS rights"
    try:
        arn = _source_arn(make("sts").get_caller_identity()["Arn"])
        answer = make("iam").simulate_principal_policy(
            PolicySourceArn=arn, ActionNames=list(ACTIONS)
        )
    except Exception as error:  # as above
        why = "the rights were not checked"
        fix = "the right iam:SimulatePrincipalPolicy, or read docs/guides/eks.md's policies"
        yield unknown(check, _said(error), why, fix)
        return
    denied = sorted(
        each["EvalActionName"]
        for each in answer["EvaluationResults"]
        if each["EvalDecision"] != "allowed"
    )
    if denied:
        why = "`up` stops at the first of them, with some things made and paid for"
        yield problem(check, f"denied: {', '.join(denied)}", why, f"a policy for {arn}")
    else:
        yield ok(check, f"{len(ACTIONS)} actions are allowed to {arn}")


def _source_arn(arn: str) -> str:
    """Return the ARN that policies hang on: a session's is its role's."""
    if ":assumed-role/" not in arn:
        return arn
    account = arn.split(":")[4]
    partition = arn.split(":")[1]
    return f"arn:{partition}:iam::{account}:role/{arn.split('/')[1]}"


def zones(make: Clients, wanted: Sequence[str]) -> Iterator[Finding]:
    """Check that the zones of the stack are there for this account."""
    try:
        answer = make("ec2").describe_availability_zones()
    except Exception as error:  # as above
        yield unknown(
            "zones", _said(error), "the zones were not checked", "ec2:DescribeAvailabilityZones"
        )
        return
    there = sorted(
        each["ZoneName"] for each in answer["AvailabilityZones"] if each["State"] == "available"
    )
    missing = sorted(set(wanted) - set(there))
    if missing:
        why = "its subnets cannot be made"
        fix = f"pulumi config set --path 'stackyard:cluster.zones[0]' {there[0] if there else ''}"
        found = f"{', '.join(missing)} not there; there are {', '.join(there)}"
        yield problem("zones", found, why, fix)
    else:
        yield ok("zones", ", ".join(wanted or there))


def offers(make: Clients, pools: Sequence[PoolSettings], zones: Sequence[str]) -> Iterator[Finding]:
    """Check that each pool's instance types are offered in its zones."""
    types = sorted({name for pool in pools for name in pool.instance_types})
    if not types:
        return
    try:
        answer = make("ec2").describe_instance_type_offerings(
            LocationType="availability-zone",
            Filters=[{"Name": "instance-type", "Values": types}],
        )
    except Exception as error:  # as above
        yield unknown("offers", _said(error), "the offers were not checked")
        return
    offered: dict[str, set[str]] = {}
    for each in answer["InstanceTypeOfferings"]:
        offered.setdefault(each["InstanceType"], set()).add(each["Location"])
    for pool in pools:
        for name in pool.instance_types:
            wanted = set(pool.zones or zones)
            there = offered.get(name, set())
            if (wanted and not wanted & there) or not there:
                why = "its nodes are never made"
                found = f"{name} (pool {pool.name}) is not offered in {', '.join(sorted(wanted))}"
                fix = f"zones with it: {', '.join(sorted(there)) or 'none in this region'}"
                yield problem("offers", found, why, fix)
            elif missing := sorted(wanted - there):
                why = "volumes bind to a zone, and there is no such node in these"
                found = f"{name} (pool {pool.name}) is not offered in {', '.join(missing)}"
                fix = f"cluster.gpuPools[].zones: {', '.join(sorted(wanted & there))}"
                yield problem("offers", found, why, fix)
            else:
                yield ok("offers", f"{name} in {', '.join(sorted(wanted or there))}")


def quotas(make: Clients, pools: Sequence[PoolSettings]) -> Iterator[Finding]:
    """Check that the account's vCPU quotas hold the pools at their largest, beside what runs."""
    for (family, capacity), wanted in _vcpus(pools).items():
        code = QUOTAS[family, capacity]
        check = f"quota of {family} {capacity}"
        try:
            limit = _limit(make("service-quotas"), code)
            used = _running(make("ec2"), family, capacity)
        except Exception as error:  # as above
            why = "the quota was not checked"
            yield unknown(
                check, _said(error), why, "servicequotas:GetServiceQuota and ec2:Describe*"
            )
            continue
        found = f"{limit:g} vCPUs, {used:g} in use, the pools take up to {wanted:g}"
        if used + wanted <= limit:
            yield ok(check, found)
            continue
        why = "nodes beyond it are not started (VcpuLimitExceeded)"
        fix = (
            "aws service-quotas request-service-quota-increase --service-code ec2 "
            f"--quota-code {code} --desired-value {used + wanted:g}"
        )
        yield problem(check, found, why, fix)


def _limit(client: Client, code: str) -> float:
    answer = client.get_service_quota(ServiceCode="ec2", QuotaCode=code)
    return float(answer["Quota"]["Value"])


def _vcpus(pools: Sequence[PoolSettings]) -> dict[tuple[str, str], float]:
    """Return the vCPUs of the pools at their largest, by family and capacity."""
    known = node_types()
    result: dict[tuple[str, str], float] = {}
    for pool in pools:
        for family in ("G", "P"):
            sizes = [
                known[name].vcpus
                for name in pool.instance_types
                if name in known and name[0].upper() == family
            ]
            if sizes:
                key = (family, pool.capacity)
                result[key] = result.get(key, 0.0) + max(sizes) * pool.nodes
    return result


def _running(client: Client, family: str, capacity: str) -> float:
    """Return the vCPUs of a family that run already."""
    states = {"Name": "instance-state-name", "Values": ["pending", "running"]}
    kinds = {"Name": "instance-type", "Values": [f"{family.lower()}*"]}
    total = 0.0
    for page in client.get_paginator("describe_instances").paginate(Filters=[states, kinds]):
        for reservation in page["Reservations"]:
            for instance in reservation["Instances"]:
                if (instance.get("InstanceLifecycle") == "spot") == (capacity == "spot"):
                    options = instance.get("CpuOptions") or {}
                    total += options.get("CoreCount", 0) * options.get("ThreadsPerCore", 1)
    return total
