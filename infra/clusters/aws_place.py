"""Pure: names, addresses and partitions at AWS, from plain settings."""

import ipaddress

from infra.registry import Registry
from infra.schema import Settings

TAG = "stackyard:stack"


def partition(region: str) -> str:
    """Return the partition of a region, the second part of every ARN."""
    prefixes = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
    return next((name for start, name in prefixes.items() if region.startswith(start)), "aws")


def dns_suffix(region: str) -> str:
    """Return what AWS's host names end in."""
    return "amazonaws.com.cn" if partition(region) == "aws-cn" else "amazonaws.com"


def registry_host(account: str, region: str) -> str:
    """Return the host of the account's image registry."""
    return f"{account}.dkr.ecr.{region}.{dns_suffix(region)}"


def service_principal(service: str) -> str:
    """Return how a role names a service that may assume it; the same in every partition here."""
    return f"{service}.amazonaws.com"


def private_blocks(cidr: str, count: int) -> list[str]:
    """Return one block of addresses a zone for nodes and pods: an eighth of the network each."""
    network = ipaddress.IPv4Network(cidr)
    return [str(each) for each in list(network.subnets(prefixlen_diff=3))[:count]]


def public_blocks(cidr: str, count: int) -> list[str]:
    """Return one block a zone for load balancers and NAT: of the last eighth, 1/256 each."""
    last = list(ipaddress.IPv4Network(cidr).subnets(prefixlen_diff=3))[-1]
    return [str(each) for each in list(last.subnets(prefixlen_diff=5))[:count]]


def eks_registry(settings: Settings, stack: str) -> Registry:
    """Return the registry of a stack at AWS; below the stack's name, so that two share nothing."""
    registry, cluster = settings.registry, settings.cluster
    if registry.host is not None:
        return Registry(registry.host, registry.prefix)
    host = registry_host(str(cluster.account), str(cluster.region))
    return Registry(host, registry.prefix or f"stackyard-{stack}")
