"""Pure: where an object names a host: images, addresses, variables, arguments, policies."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from infra.reach import AllowList, addresses
from infra.registry import parse
from stackyard.airgap.check import Leak
from stackyard.bundle.naming import named_images

Json = dict[str, Any]
HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+([a-z]{2,})\.?(?::([0-9]{1,5}))?", re.I)
NUMBERS = re.compile(r"((?:[0-9]{1,3}\.){3}[0-9]{1,3})(?::([0-9]{1,5}))?")
APART = re.compile(r"[\s,;=\"'|<>()\[\]{}@]+")
# what ends like a domain and is a file
FILES = {
    *("cfg", "conf", "crt", "csv", "html", "json", "key", "lock", "log", "md", "onnx", "pem"),
    *("py", "sh", "so", "sock", "tar", "tgz", "toml", "txt", "yaml", "yml", "db", "gz"),
}
# members whose texts a program reads as it likes; elsewhere dots are in labels and API groups
FREE = {"value", "args", "command", "data", "stringData", "annotations"}
NAMED = {"externalName", "host", "hostname", "hostnames", "nameservers", "searches", "server"}
NUMBERED = {"ip", "externalIPs", "addresses", "clusterIP", "loadBalancerIP", "nameservers"}
KUBERNETES = ("kubernetes.io", "k8s.io", "pulumi.com", "nvidia.com", "stackyard.invalid")


def image_leaks(where: str, value: Json, host: str, prefix: str | None) -> Iterator[Leak]:
    """Yield each image that is not in the registry, or has no digest."""
    below = f"{prefix}/" if prefix else ""
    for image in named_images(value):
        try:
            reference = parse(image)
        except ValueError as error:
            yield Leak(where, str(error))
            continue
        if reference.host != host or not reference.path.startswith(below):
            yield Leak(where, f"image '{image}' is not in {host}/{below}")
        elif reference.digest is None:
            yield Leak(where, f"image '{image}' has no digest")


def address_leaks(where: str, value: object, allowed: AllowList, path: str = "") -> Iterator[Leak]:
    """Yield each address with a scheme, in any text of an object, that is not allowed."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from address_leaks(where, each, allowed, f"{path}.{key}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from address_leaks(where, each, allowed, f"{path}[{index}]")
    elif isinstance(value, str):
        for url, host, port in addresses(value):
            if not allowed.allows(host, port):
                yield Leak(where, f"{path.lstrip('.')} names '{url}'")


def host_leaks(
    where: str, value: object, allowed: AllowList, path: str = "", *, free: bool = False
) -> Iterator[Leak]:
    """Yield each bare host name or address, where programs and Kubernetes read one."""
    key = path.rpartition(".")[2].partition("[")[0]
    if isinstance(value, dict):
        for name, each in value.items():
            inside = free or name in FREE
            yield from host_leaks(where, each, allowed, f"{path}.{name}", free=inside)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from host_leaks(where, each, allowed, f"{path}[{index}]", free=free)
    elif isinstance(value, str) and (free or key in NAMED | NUMBERED):
        for host, port in hosts_in(value):
            if not allowed.allows(host, port):
                yield Leak(where, f"{path.lstrip('.')} names '{host}'")


def hosts_in(text: str) -> Iterator[tuple[str, int | None]]:
    """Yield what in a text is a host name with a dot, or an address, with its port."""
    for word in APART.split(text):
        if "://" in word or word.startswith(("/", "./")):
            continue
        first = word.partition("/")[0]
        numbers, named = NUMBERS.fullmatch(first), HOST.fullmatch(first)
        if numbers is not None and _is_address(numbers[1]):
            if "/" not in word:  # a range of addresses is no destination
                yield numbers[1], int(numbers[2]) if numbers[2] else None
        elif named is not None and named[1].lower() not in FILES:
            host = first.partition(":")[0]
            if not host.endswith(KUBERNETES):
                yield host, int(named[2]) if named[2] else None


def _is_address(text: str) -> bool:
    try:
        return not ipaddress.ip_address(text).is_unspecified
    except ValueError:
        return False
