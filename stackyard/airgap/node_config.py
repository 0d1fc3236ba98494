"""Pure: what makes nodes trust the registry and take every public name from it, by platform.

The second way: a sealed stack names the registry itself. This is for what the cluster's owner and
operators pull by public names, and for the nodes' trust in a private authority, which both need.
"""

import json
from collections.abc import Sequence

from infra.reach import AllowList

# what the catalog's images, the GPU operator's and ordinary clusters' are pulled from
PUBLIC = ("docker.io", "ghcr.io", "nvcr.io", "quay.io", "registry.k8s.io")
CERTS = "/etc/containerd/certs.d"
CA = "/etc/stackyard/registry-ca.crt"


def hosts_toml(
    hosts: Sequence[str], registry: str, prefix: str | None, *, ca: bool, folder: str = CERTS
) -> dict[str, str]:
    """Return path and text of each file for containerd: kubeadm, kind and EKS.

    `server` is the registry itself: containerd would go on to the public one if it failed.
    """
    authority = f'ca = "{CA}"\n' if ca else ""
    inner = f'  ca = "{CA}"\n' if ca else ""
    place = f"https://{registry}/v2/{prefix}" if prefix else f"https://{registry}/v2"
    own = f'server = "https://{registry}"\n{authority}'
    files = {f"{folder}/{registry}/hosts.toml": own} if ca else {}
    for host in (*hosts, "_default"):
        files[f"{folder}/{host}/hosts.toml"] = (
            f'server = "{place}"\n{authority}'
            f'[host."{place}"]\n'
            '  capabilities = ["pull", "resolve"]\n'
            "  override_path = true\n"  # the address has its /v2 already
            f"{inner}"
        )
    return files


def registries_yaml(
    hosts: Sequence[str], registry: str, prefix: str | None, *, ca: bool, username: str | None
) -> str:
    """Return /etc/rancher/rke2/registries.yaml, or k3s's; JSON, which YAML contains.

    Never their config.toml or hosts.toml, which are written anew at each start. Its password is
    left for the administrator. `disable-default-registry-endpoint: true` belongs into config.yaml.
    """
    mirror: dict[str, object] = {"endpoint": [f"https://{registry}"]}
    if prefix:
        mirror["rewrite"] = {"^(.*)$": f"{prefix}/$1"}
    access: dict[str, object] = {}
    if username:
        access["auth"] = {"username": username, "password": "PASSWORD"}
    if ca:
        access["tls"] = {"ca_file": CA}
    mirrors = dict.fromkeys((*hosts, "*"), mirror)
    # the registry's own names are whole already
    mirrors = {registry: {"endpoint": [f"https://{registry}"]}, **mirrors}
    return json.dumps({"mirrors": mirrors, "configs": {registry: access}}, indent=2) + "\n"


def corefile(
    allowed: AllowList, resolver: str | None, own: Sequence[str], domain: str = "cluster.local"
) -> str:
    """Return CoreDNS's Corefile that knows the cluster and the allow list, and nothing else.

    There is a server for each zone and none for the root, so any other name is REFUSED. `own` are
    names to answer without a resolver, as lines of a hosts file.
    """
    known: dict[str, list[str]] = {}
    for line in own:
        for name in line.split()[1:]:
            known.setdefault(name, []).append(line.split()[0])
    for entry in allowed.entries:
        name = entry.partition(":")[0].removeprefix("*.")
        if resolver and "/" not in entry and not name.replace(".", "").isdigit():
            known.setdefault(name, [])
    cluster = (
        f"{domain}:53 in-addr.arpa:53 ip6.arpa:53 {{\n    errors\n"
        "    health {\n        lameduck 5s\n    }\n    ready\n"
        f"    kubernetes {domain} in-addr.arpa ip6.arpa {{\n        pods insecure\n"
        "        ttl 30\n    }\n    prometheus :9153\n    cache 30\n    loop\n    reload\n"
        "    loadbalance\n}\n"
    )
    return cluster + "".join(_zone(name, told, resolver) for name, told in known.items())


def _zone(name: str, addresses: Sequence[str], resolver: str | None) -> str:
    if addresses:
        lines = "".join(f"        {address} {name}\n" for address in addresses)
        answer = f"    hosts {{\n{lines}    }}\n"
    else:
        answer = f"    forward . {resolver}\n"
    return f"{name}:53 {{\n    errors\n{answer}    cache 30\n}}\n"
