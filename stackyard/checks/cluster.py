"""The cluster: who we are there, storage, Pod Security, its DNS and its clock."""

import ipaddress
import itertools
import time
from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime

from infra.reach import NODE_DNS
from stackyard.checks.finding import Finding, ok, problem, unknown
from stackyard.kubernetes import Json, Kubernetes, Refused

KUBE_SYSTEM = "/api/v1/namespaces/kube-system"
APP, DNS_PODS = "k8s-app", "k8s-app%20in%20%28kube-dns%2Cnode-local-dns%29"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
ENFORCE = "pod-security.kubernetes.io/enforce"
CLOCK_SECONDS = 60  # signed requests and tokens bear minutes, logs do not
SUPPORTED = (33, 36)  # minor versions of Kubernetes that GPU operator 26.7 supports
# group, resource, and whether only a stack that has the whole cluster makes it; `up` creates them
WRITES = (
    ("", "namespaces", True),
    ("apiextensions.k8s.io", "customresourcedefinitions", True),
    ("rbac.authorization.k8s.io", "clusterroles", True),
    ("scheduling.k8s.io", "priorityclasses", True),
    ("", "resourcequotas", True),
    ("", "limitranges", True),
    ("apps", "deployments", False),
    ("apps", "statefulsets", False),
    ("batch", "jobs", False),
    ("", "services", False),
    ("", "secrets", False),
    ("", "configmaps", False),
    ("", "serviceaccounts", False),
    ("", "persistentvolumeclaims", False),
    ("networking.k8s.io", "networkpolicies", False),
)
# provisioners whose volumes are for one node at a time
ONE_NODE = ("ebs.csi.aws.com", "rancher.io/local-path", "kubernetes.io/no-provisioner")


def version(cluster: Kubernetes) -> Iterator[Finding]:
    """Check that the API answers, with a version that the GPU operator supports."""
    said = cluster.get("/version")
    minor = int("".join(filter(str.isdigit, said.get("minor", "0"))) or 0)
    found = f"{said.get('gitVersion', '?')} at {cluster.server}"
    if SUPPORTED[0] <= minor <= SUPPORTED[1]:
        yield ok("Kubernetes", found)
    else:
        why = f"GPU operator 26.7 supports 1.{SUPPORTED[0]} to 1.{SUPPORTED[1]}"
        yield problem("Kubernetes", found, why, "upgrade the cluster, or set gpuOperator.version")


def rights(cluster: Kubernetes, namespaces: list[str], *, everywhere: bool) -> Iterator[Finding]:
    """Check what `up` must be allowed to create, by access reviews of these credentials."""
    missing = []
    for group, resource, outside in WRITES:
        if outside and not everywhere:
            continue
        for namespace in [""] if outside or everywhere else namespaces:
            if not cluster.may("create", resource, group, namespace):
                missing.append(resource + (f" in {namespace}" if namespace else ""))
    if not missing:
        yield ok("rights in the cluster", "everything that `up` creates is allowed")
        return
    why = "`up` stops at the first of them, with some objects made"
    scope = "" if not everywhere else ", or set cluster.scope: namespace"
    fix = f"kubectl auth can-i create {missing[0].split()[0]}; ask for the rights{scope}"
    yield problem("rights in the cluster", f"may not create {', '.join(missing)}", why, fix)


def storage(cluster: Kubernetes, wanted: str | None) -> Iterator[Finding]:
    """Check that volumes get a class, and say what its volumes can be."""
    classes = cluster.items("/apis/storage.k8s.io/v1/storageclasses")
    names = ", ".join(each["metadata"]["name"] for each in classes) or "none"
    if wanted is not None:
        found = [each for each in classes if each["metadata"]["name"] == wanted]
        if not found:
            why = "every volume would stay Pending"
            fix = "pulumi config set --path stackyard:cluster.storageClass NAME"
            yield problem("StorageClass", f"{wanted!r} is not there; there is {names}", why, fix)
            return
    else:
        found = [each for each in classes if _is_default(each)]
        if not found:
            why = "every volume would stay Pending"
            fix = (
                "pulumi config set --path stackyard:cluster.storageClass NAME, or mark one: "
                f"kubectl annotate storageclass NAME {DEFAULT_CLASS}=true"
            )
            yield problem("StorageClass", f"none is the default; there is {names}", why, fix)
            return
        if len(found) > 1:
            both = ", ".join(each["metadata"]["name"] for each in found)
            why = "the newest of them is taken, which changes under you"
            fix = "pulumi config set --path stackyard:cluster.storageClass NAME"
            yield problem("StorageClass", f"{both} are all the default", why, fix)
            return
    chosen = found[0]
    name, provisioner = chosen["metadata"]["name"], chosen.get("provisioner", "")
    yield ok("StorageClass", f"{name} ({provisioner})")
    yield _access_modes(name, provisioner)
    if chosen.get("volumeBindingMode") != "WaitForFirstConsumer":
        why = "a volume made before its pod may be in a zone or on a node without a GPU"
        fix = "a class with volumeBindingMode: WaitForFirstConsumer"
        what = f"{name} binds immediately"
        yield problem("volume binding", what, why, fix)


def _access_modes(name: str, provisioner: str) -> Finding:
    if provisioner in ONE_NODE:
        return ok("access modes", f"{name}: ReadWriteOnce, which is what our volumes ask for")
    return ok("access modes", f"{name}: ReadWriteOnce is asked for; {provisioner} may have more")


def _is_default(each: Json) -> bool:
    return (each["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true"


def pod_security(cluster: Kubernetes, operator: str, ours: list[str]) -> Iterator[Finding]:
    """Check that no namespace refuses our pods: the GPU operator's need `privileged`."""
    for name in [operator, *ours]:
        try:
            labels = cluster.get(f"/api/v1/namespaces/{name}")["metadata"].get("labels") or {}
        except Refused as error:
            if error.status != 404:
                raise
            continue
        level = labels.get(ENFORCE, "privileged")
        if name == operator and level != "privileged":
            why = "the driver and toolkit pods are refused, and no node gets its GPUs"
            fix = f"kubectl label namespace {name} {ENFORCE}=privileged --overwrite"
            yield problem("Pod Security", f"{name} enforces {level!r}", why, fix)
        else:
            yield ok("Pod Security", f"{name}: {level}")


def dns(cluster: Kubernetes, opened: Sequence[str] = ()) -> Iterator[Finding]:
    """Check that the cluster's DNS has ready pods, and that ours may ask it.

    `opened` are the ranges of network.dns.
    """
    found = cluster.items(f"{KUBE_SYSTEM}/pods?labelSelector={DNS_PODS}")
    local = [pod for pod in found if pod["metadata"].get("labels", {}).get(APP) == "node-local-dns"]
    pods = [pod for pod in found if pod not in local]
    ready = [pod["metadata"]["name"] for pod in pods if is_ready(pod)]
    if ready:
        yield ok("cluster DNS", f"{len(ready)} of {len(pods)} pods ready")
    elif pods:
        why = "no service finds another by its name"
        fix = "kubectl -n kube-system describe pods -l k8s-app=kube-dns"
        yield problem("cluster DNS", f"none of {len(pods)} pods is ready", why, fix)
    else:
        yield unknown("cluster DNS", "no pods with k8s-app=kube-dns in kube-system")
    if local:
        yield from _node_dns(_listening(local[0]), opened)


def _node_dns(addresses: list[str], opened: Sequence[str]) -> Iterator[Finding]:
    """Tell whether the policies let pods ask NodeLocal DNSCache, which is on the nodes' network."""
    ranges = [ipaddress.ip_network(each) for each in (*NODE_DNS, *opened)]
    closed = [
        each
        for each in addresses
        if not any(ipaddress.ip_address(each) in network for network in ranges)
    ]
    where = ", ".join(addresses) or "addresses that its pods do not tell"
    if closed:
        why = "where network policies are enforced, pods that ask it resolve no name"
        fix = f"pulumi config set --path 'stackyard:network.dns[{len(opened)}]' {closed[0]}"
        yield problem("NodeLocal DNSCache", f"is on {where}; {closed[0]} is not open", why, fix)
    else:
        yield ok("NodeLocal DNSCache", f"is on {where}")


def _listening(pod: Json) -> list[str]:
    """Return the addresses that NodeLocal DNSCache is told to answer on: -localip A,B."""
    for container in pod.get("spec", {}).get("containers", []):
        words = [*container.get("command", []), *container.get("args", [])]
        for word, following in itertools.pairwise([*words, ""]):
            name, _, value = str(word).lstrip("-").partition("=")
            if name == "localip":
                return [each.strip() for each in (value or following).split(",") if each.strip()]
    return []


def clock(cluster: Kubernetes) -> Iterator[Finding]:
    """Compare this machine's clock with the API server's."""
    said = cluster.server_date()
    if not said:
        yield unknown("clock", "the API server sends no date")
        return
    apart = time.time() - parsedate_to_datetime(said).timestamp()
    if abs(apart) <= CLOCK_SECONDS:
        yield ok("clock", f"{abs(apart):.0f} s from the API server's")
    else:
        why = "tokens and signed requests are refused as too old or too new"
        yield problem(
            "clock",
            f"{abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} the API server's",
            why,
            "timedatectl set-ntp true",
        )


def is_ready(pod: Json) -> bool:
    """Say whether a pod, or a node, has the condition Ready."""
    conditions = pod.get("status", {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
