"""The plan of a stack on disk: its settings, and the GPU nodes that its cluster has."""

from collections.abc import Sequence

from stackyard.errors import Trouble
from stackyard.kubernetes import Json, Kubernetes, Refused, kubernetes_of
from stackyard.planner.facts import NodeType, gpu_named, node_types
from stackyard.planner.plan import NETWORK_MBPS, Plan, Supply, make_plan
from stackyard.planner.prices import Prices
from stackyard.planner.wants import read_wants
from stackyard.project import Stack

DISK_GB = 200.0  # of a node given by hand
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def plan_of(
    stack: Stack,
    *,
    prices: Prices | None = None,
    network_mbps: float = NETWORK_MBPS,
    concurrency: int = 1,
    nodes: Sequence[Supply] | None = None,
) -> Plan:
    """Return the plan of a stack; for an existing cluster its nodes are asked for."""
    wants = read_wants(stack.settings)
    unknown = ""
    if nodes is None and wants.models and wants.cluster == "existing":
        nodes, unknown = _nodes_of(stack)
    return make_plan(
        stack.name,
        wants,
        nodes,
        prices=prices,
        network_mbps=network_mbps,
        concurrency=concurrency,
        unknown=unknown,
    )


def nodes_from(given: Sequence[str]) -> list[Supply]:
    """Return the nodes that options name, TYPE or TYPE:COUNT. Raises Trouble for others."""
    supply = []
    for text in given:
        name, _, count = text.partition(":")
        if name not in node_types() or (count and not count.isdecimal()):
            message = f"--node is {text!r}: TYPE or TYPE:COUNT, TYPE is {', '.join(node_types())}"
            raise Trouble(message, "stackyard plan --node g6e.2xlarge:2")
        supply.append(Supply(node_types()[name], int(count or 1), DISK_GB, "--node"))
    return supply


def _nodes_of(stack: Stack) -> tuple[list[Supply] | None, str]:
    """Return the cluster's GPU nodes, or why they are not known."""
    try:
        with kubernetes_of(stack) as cluster:
            return gpu_nodes(cluster), ""
    except (Trouble, Refused) as error:
        reason = str(error).partition("\n")[0]
        return None, f"the nodes are not known: {reason}; --node TYPE:COUNT plans without"


def gpu_nodes(cluster: Kubernetes) -> list[Supply]:
    """Return the nodes with GPUs, by the labels that the GPU operator's discovery sets."""
    found = []
    for node in cluster.items("/api/v1/nodes"):
        kind = _node_type(node)
        if kind is not None:
            disk = quantity(node["status"].get("allocatable", {}).get("ephemeral-storage", "0"))
            labels = node["metadata"].get("labels", {})
            found.append(Supply(kind, 1, disk / 1e9, node["metadata"]["name"], labels))
    return found


def _node_type(node: Json) -> NodeType | None:
    labels = node["metadata"].get("labels", {})
    instance = labels.get("node.kubernetes.io/instance-type", "")
    product = labels.get("nvidia.com/gpu.product")
    known = node_types().get(instance)
    if product is None:
        return known  # a GPU node of AWS before its operator
    allocatable = node["status"].get("allocatable", {})
    return NodeType(
        name=node["metadata"]["name"],
        gpu=gpu_named(product),
        gpus=int(labels.get("nvidia.com/gpu.count", 1)),
        vcpus=quantity(allocatable.get("cpu", "0")),
        memory_gib=quantity(allocatable.get("memory", "0")) / 2**30,
        allocatable=True,
    )


def quantity(text: str) -> float:
    """Return a Kubernetes quantity as a number: 3920m, 31Gi, 8."""
    if text.endswith("m"):
        return float(text[:-1]) / 1000
    unit = UNITS.get(text[-2:])
    return float(text[:-2]) * unit if unit else float(text)
