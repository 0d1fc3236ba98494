"""Evaluates the network policies of a deployment as an engine of them does: may a pod go there."""

import ipaddress
from typing import Any

from tests.infra.recorder import Deployment


def leaves(found: Deployment, workload: str, address: str, port: int, over: str = "TCP") -> bool:
    """Tell whether the pods of a workload may go to an address outside of the cluster."""
    labels, namespace = pods_of(found, workload)
    return any(
        _to(rule, ipaddress.ip_address(address)) and _by(rule, port, over)
        for each in found.of("NetworkPolicy")
        if each.inputs["metadata"]["namespace"] == namespace
        and each.inputs["spec"]["podSelector"].get("matchLabels", {}).items() <= labels.items()
        for rule in each.inputs["spec"].get("egress", [])
    )


def pods_of(found: Deployment, workload: str) -> tuple[dict[str, str], str]:
    """Return labels and namespace of what Deployment, Job or CronJob of a name makes."""
    inputs = found[workload].inputs
    spec = inputs["spec"]
    template = spec.get("jobTemplate", {"spec": spec})["spec"]["template"]
    return template["metadata"]["labels"], inputs["metadata"]["namespace"]


def _to(rule: dict[str, Any], address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return any(
        address in ipaddress.ip_network(block["cidr"])
        and not any(address in ipaddress.ip_network(each) for each in block.get("except", []))
        for block in (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer)
    )


def _by(rule: dict[str, Any], port: int, over: str) -> bool:
    ports = rule.get("ports")
    return ports is None or {"port": port, "protocol": over} in ports
