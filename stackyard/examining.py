"""Which checks a stack has: its settings decide what is looked at, and with which credentials."""

import functools
import shutil
from collections.abc import Iterator
from typing import Any

from stackyard import machine
from stackyard.checks import aws, cluster, nodes, registry
from stackyard.checks import machine as this_machine
from stackyard.checks.finding import Check, Finding, ok, problem, run, unknown
from stackyard.checks.registry import NGC, NGC_USER, Credentials
from stackyard.checks.timeline import Stage, timeline
from stackyard.checks.trial import trial
from stackyard.engine import Engine
from stackyard.errors import Trouble
from stackyard.kubernetes import Kubernetes, Refused, kubernetes_of
from stackyard.planner.wants import ROLES, Wants, read_wants
from stackyard.planning import plan_of
from stackyard.project import Stack

PRESENT = {"nvidia.com/gpu.present": "true"}
OPERATOR = "gpu-operator"
TAINT = {"key": nodes.GPU}  # that models tolerate where the stack names none


def findings_of(stack: Stack, *, try_pod: bool = False) -> Iterator[Finding]:
    """Yield the findings for a stack, this machine first; `try_pod`: run one on a GPU node too."""
    if stack.is_local:
        for check in this_machine.LOCAL:
            yield from run(check)
        return
    for check in this_machine.REMOTE:
        yield from run(check)
    wants = read_wants(stack.settings)
    yield from run(functools.partial(plan_fits, stack))
    if stack.cluster_kind == "eks":
        yield from run(functools.partial(aws_account, stack, wants))
    yield from run(functools.partial(registries, stack, wants))
    yield from _cluster(stack)
    if try_pod:
        yield from run(functools.partial(tried_pod, stack, wants))


def tried_pod(stack: Stack, wants: Wants) -> Iterator[Finding]:
    """Let a GPU node pull the vector store's image, and look for a card from inside of it."""
    references, _, _ = images_of(stack, wants)
    gpu = stack.cluster_setting("gpu")
    given: dict[str, Any] = gpu if isinstance(gpu, dict) else {}
    with kubernetes_of(stack) as api:
        namespace = stack.models_namespace
        try:
            api.get(f"/api/v1/namespaces/{namespace}")
        except Refused as error:
            if error.status != 404:
                raise
            namespace = "default"  # before the first `up`
        yield from trial(
            api,
            namespace=namespace,
            image=references["qdrant"],
            selector=selector_of(stack),
            tolerations=[
                {"operator": "Exists", **each} for each in given.get("tolerations", [TAINT])
            ],
            runtime=str(given.get("runtime", "containerd")),
        )


def timeline_of(stack: Stack) -> list[Stage]:
    """Return how far the models of a stack are; empty before `up` and where nobody may look."""
    if stack.is_local:
        return []
    try:
        with kubernetes_of(stack) as api:
            return list(timeline(api, stack.models_namespace, selector_of(stack)))
    except (Trouble, Refused):
        return []  # the findings say why


def plan_fits(stack: Stack) -> Iterator[Finding]:
    """Check that the models fit on the GPUs, by the plan."""
    plan = plan_of(stack)
    if plan.verdict == "does not fit":
        lacking = "; ".join(f"{fit.want.role}: {fit.why_not}" for fit in plan.placement.unplaced)
        what = lacking or "; ".join(plan.problems)
        why = "`up` stops before anything is made"
        yield problem("plan", what, why, f"stackyard plan --stack {stack.name}")
    else:
        said = "; ".join([plan.verdict, *plan.problems])
        yield unknown("plan", said) if plan.verdict == "unknown" else ok("plan", said)


def aws_account(stack: Stack, wants: Wants) -> Iterator[Finding]:
    region = stack.cluster_setting("region")
    make = aws.clients(str(region) if region else None)
    if isinstance(make, Finding):
        yield make
        return
    account = stack.cluster_setting("account")
    given = stack.cluster_setting("zones")
    zones = [str(each) for each in given] if isinstance(given, list) else []
    first = list(aws.identity(make, str(account) if account else None))
    yield from first
    if any(finding.status != "ok" for finding in first):
        return  # the others would only say so again
    yield from aws.permissions(make)
    yield from aws.zones(make, zones)
    yield from aws.offers(make, wants.pools, zones)
    yield from aws.quotas(make, wants.pools)


def registries(stack: Stack, wants: Wants) -> Iterator[Finding]:
    references, credentials, key = images_of(stack, wants)
    sealed = stack.settings.get("airgapped") in (True, "true")  # its files are in the registry
    preloaded = sealed or all(_preloaded(stack, want.role) for want in wants.models)
    yield from registry.ngc_key(key, needed=bool(wants.models), preloaded=preloaded)
    yield from registry.images(references, credentials)


def images_of(
    stack: Stack, wants: Wants
) -> tuple[dict[str, str], dict[str, Credentials], str | None]:
    """Return the images that the cluster will pull, the credentials by host, and the NGC key."""
    from infra import catalog  # here, because it brings the Pulumi SDK along: half a second
    from infra.registry import Registry, parse, rewrite

    registry_settings = _part(stack, "registry")
    host = registry_settings.get("host")
    mirror = (
        Registry(str(host), registry_settings.get("prefix"))
        if host and registry_settings.get("mirrored")
        else None
    )
    public = {"qdrant": catalog.QDRANT}
    public |= {
        key: catalog.GPU_OPERATOR_IMAGES[key]
        for key in _operator_keys(stack, wants)
        if key in catalog.GPU_OPERATOR_IMAGES
    }
    if wants.models and _part(stack, "nimOperator").get("mode") == "install":
        public["nim-operator"] = catalog.NIM_OPERATOR_IMAGE
    if _installs_keda(stack):
        public |= {f"keda {key}": image for key, image in catalog.KEDA_IMAGES.items()}
    for want in wants.models:
        image = _role(stack, want.role).get("image") or catalog.NIM.get(want.role)
        if image:
            public[want.role] = str(image)
    references = {use: rewrite(image, mirror) for use, image in public.items()}
    key = _secret(stack, "ngcApiKey")
    credentials = {NGC: Credentials(NGC_USER, key)} if key else {}
    password = _secret(stack, "registryPassword")
    if host and password and registry_settings.get("username"):
        name = parse(f"{host}/x").host
        credentials[name] = Credentials(str(registry_settings["username"]), password)
    return references, credentials, key


def _operator_keys(stack: Stack, wants: Wants) -> tuple[str, ...]:
    """Return the images of the GPU operator that the nodes pull; none where it is not installed.

    The driver's is left out: its tag ends in the node's system, which only the node knows.
    """
    mode = _part(stack, "gpuOperator").get("mode")
    gpu = stack.cluster_setting("gpu")
    there = gpu.get("preinstalled", "nothing") if isinstance(gpu, dict) else "nothing"
    if not wants.models or mode in ("adopt", "none") or there == "operator":
        return ()
    toolkit = ("toolkit",) if wants.cluster == "existing" and there != "driver-and-toolkit" else ()
    return ("operator", "devicePlugin", "dcgmExporter", "node-feature-discovery", *toolkit)


def _installs_keda(stack: Stack) -> bool:
    """Tell whether `up` installs KEDA, as infra/schema/scaling_choices.py decides it."""
    scaled = "hours" in _part(stack, "models") or any(
        _role(stack, role).get("scaling") is not None for role in ROLES
    )
    there = _part(stack, "keda").get("mode") == "adopt"
    return scaled and not there and stack.cluster_setting("scope") != "namespace"


def _secret(stack: Stack, name: str) -> str | None:
    """Return a secret of the stack's settings in plain; None where it is not set."""
    given = stack.settings.get(name)
    if given is None or isinstance(given, str):
        return given
    environment = machine.environment(stack)
    if shutil.which("pulumi", path=environment["PATH"]) is None:
        return None
    return Engine(stack, environment).secret(name)


def _part(stack: Stack, name: str) -> dict[str, Any]:
    given = stack.settings.get(name)
    return given if isinstance(given, dict) else {}


def _role(stack: Stack, role: str) -> dict[str, Any]:
    given = _part(stack, "models").get(role)
    return given if isinstance(given, dict) else {}


def _preloaded(stack: Stack, role: str) -> bool:
    return bool(_role(stack, role).get("preloaded"))


def selector_of(stack: Stack) -> dict[str, str]:
    """Return the labels of the nodes that run models."""
    gpu = stack.cluster_setting("gpu")
    given = gpu.get("nodeSelector") if isinstance(gpu, dict) else None
    return {str(key): str(value) for key, value in given.items()} if given else PRESENT


def _tolerated(stack: Stack) -> list[str]:
    gpu = stack.cluster_setting("gpu")
    given = gpu.get("tolerations") if isinstance(gpu, dict) else None
    return [str(each["key"]) for each in given] if given else [nodes.GPU]


def _opened_dns(stack: Stack) -> list[str]:
    network = stack.settings.get("network")
    given = network.get("dns") if isinstance(network, dict) else None
    return [str(each) for each in given] if isinstance(given, list) else []


def _cluster(stack: Stack) -> Iterator[Finding]:
    if stack.cluster_kind == "eks" and not stack.kubeconfig.is_file():
        return  # there is none before the first `up`
    made = stack.cluster_kind == "eks"
    everywhere = stack.cluster_setting("scope") != "namespace"
    ours = [stack.app_namespace, stack.models_namespace]
    wanted = stack.cluster_setting("storageClass")

    def checks(api: Kubernetes) -> list[Check]:
        return [
            functools.partial(cluster.version, api),
            functools.partial(cluster.rights, api, ours, everywhere=everywhere),
            functools.partial(cluster.storage, api, str(wanted) if wanted else None),
            functools.partial(cluster.pod_security, api, OPERATOR, ours),
            functools.partial(cluster.dns, api, _opened_dns(stack)),
            functools.partial(cluster.clock, api),
            functools.partial(nodes.nodes, api, selector_of(stack), _tolerated(stack), made=made),
        ]

    try:
        with kubernetes_of(stack) as api:
            first, *others = checks(api)
            found = list(run(first))
            yield from found
            if found and found[0].status == "unknown":
                return  # nothing answers: the others would only say so again
            for check in others:
                yield from run(check)
    except Trouble as error:
        what, _, fix = str(error).partition("\nhint: ")
        yield problem("Kubernetes", what, "nothing can be deployed", fix)
