"""Pure: what Kubernetes lets out of a sealed stack, whatever a pod's own text says."""

import ipaddress
from collections.abc import Iterator, Sequence

from infra.reach import NODE_DNS, AllowList
from stackyard.airgap.check import Check, Leak, checked
from stackyard.airgap.part import Json, Part, Place

OPERATORS = "gpu-operator"  # its namespace: it loads drivers, so it is privileged


def ways_out(parts: Sequence[Part], place: Place) -> Check:
    """Look at policies, at the node's network and at Services that are other names."""

    def leaks() -> Iterator[Leak]:
        for part in parts:
            yield from _policy(part, place)
            yield from _pod(part)
        for namespace in namespaces:
            if namespace not in denied:
                yield Leak(namespace, "has no policy that denies what is not listed")

    made = [str(p.value["metadata"]["name"]) for p in parts if p.kind == "Namespace"]
    # of charts: what is in them is the chart's, and read where it is rendered
    charted = {str(part.value.get("namespace")) for part in parts if part.kind == "Release"}
    namespaces = [name for name in made if name not in charted]
    policies = [part for part in parts if part.kind == "NetworkPolicy"]
    denied = {
        str(part.value["metadata"]["namespace"]) for part in policies if _denies(part.value["spec"])
    }
    return checked(
        "ways out",
        "Does every namespace deny what is not listed, and does every listed way stay inside?",
        (
            *(
                f"{p.value['metadata']['namespace']}/{p.value['metadata']['name']}"
                for p in policies
            ),
            *(
                f"{name}: a chart's own, without a policy of ours"
                for name in made
                if name in charted
            ),
        ),
        leaks(),
    )


def _denies(spec: Json) -> bool:
    types = set(spec.get("policyTypes", []))
    everybody = not spec.get("podSelector", {}).get("matchLabels")
    return everybody and types >= {"Ingress", "Egress"} and not spec.get("egress")


def _policy(part: Part, place: Place) -> Iterator[Leak]:
    if part.kind != "NetworkPolicy":
        return
    for rule in part.value["spec"].get("egress", []):
        if not rule.get("to"):
            yield Leak(part.name, "lets pods out to everybody")
        for peer in rule.get("to", []):
            block = peer.get("ipBlock", {}).get("cidr")
            own = block in NODE_DNS  # of the node itself, and nothing else is behind it
            if block is not None and not own and not _inside(block, place.allowed):
                yield Leak(part.name, f"lets pods out to {block}, which is in no allowed range")


def _inside(block: str, allowed: AllowList) -> bool:
    network = ipaddress.ip_network(block, strict=False)
    ranges = [ipaddress.ip_network(each) for each in allowed.ranges]
    hosts = [entry.partition(":")[0] for entry in allowed.entries]
    return (
        any(
            network.version == each.version and network.subnet_of(each)  # type: ignore[arg-type]
            for each in ranges
        )
        or str(network.network_address) in hosts
    )


def _pod(part: Part) -> Iterator[Leak]:
    spec = part.value.get("spec", {}) if isinstance(part.value.get("spec"), dict) else {}
    pod = spec.get("template", {}).get("spec", {})
    if pod.get("hostNetwork") and part.value["metadata"].get("namespace") != OPERATORS:
        yield Leak(part.name, "is on the node's network, where no policy holds")
    if part.kind == "Service" and spec.get("type") == "ExternalName":
        yield Leak(part.name, f"is another name for {spec.get('externalName')}")
