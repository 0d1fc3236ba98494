"""Rules over what is around the pods: namespaces, Services, edges, rights, volumes."""

from collections.abc import Iterator

from policy.rule import UNKNOWN, Resource, Rule, at, rows

INTERNAL = {
    "service.beta.kubernetes.io/aws-load-balancer-scheme": "internal",
    "service.beta.kubernetes.io/aws-load-balancer-internal": "true",
    "service.beta.kubernetes.io/azure-load-balancer-internal": "true",
    "networking.gke.io/load-balancer-type": "Internal",
}
ENFORCE = "pod-security.kubernetes.io/enforce"
GRANTS = ("Role", "ClusterRole")
BINDINGS = ("RoleBinding", "ClusterRoleBinding")


def _pod_security(resource: Resource) -> Iterator[str]:
    level = resource.labels.get(ENFORCE)
    if level not in ("restricted", UNKNOWN):
        yield f"the label {ENFORCE} is {level or 'absent'}"


def _public(resource: Resource) -> Iterator[str]:
    spec = at(resource.body, "spec") or {}
    notes = at(resource.body, "metadata", "annotations") or {}
    if spec.get("type") != "LoadBalancer" or any(
        notes.get(key) in (value, UNKNOWN) for key, value in INTERNAL.items()
    ):
        return
    ranges = rows(spec.get("loadBalancerSourceRanges"))
    if not ranges or set(ranges) & {"0.0.0.0/0", "::/0"}:
        yield "its load balancer is open to the whole internet"


def _plain_ingress(resource: Resource) -> Iterator[str]:
    if not rows(at(resource.body, "spec", "tls")):
        yield "takes requests, and their keys, in plain HTTP"


def _plain_gateway(resource: Resource) -> Iterator[str]:
    for each in rows(at(resource.body, "spec", "listeners")):
        if each.get("protocol") not in ("HTTPS", "TLS", UNKNOWN):
            yield f"listener {each.get('name')} takes requests, and their keys, in plain"


def _external_addresses(resource: Resource) -> Iterator[str]:
    if found := rows(at(resource.body, "spec", "externalIPs")):
        yield f"takes the addresses {', '.join(found)} (CVE-2020-8554)"


def _wildcards(resource: Resource) -> Iterator[str]:
    for number, rule in enumerate(rows(resource.body.get("rules"))):
        for key in ("verbs", "resources", "apiGroups"):
            if "*" in rows(rule.get(key)):
                yield f"rules[{number}].{key} is *"


def _too_much(resource: Resource) -> Iterator[str]:
    for number, rule in enumerate(rows(resource.body.get("rules"))):
        verbs, kinds = set(rows(rule.get("verbs"))), set(rows(rule.get("resources")))
        if taken := verbs & {"bind", "escalate", "impersonate"}:
            yield f"rules[{number}] may {', '.join(sorted(taken))}"
        if "pods/exec" in kinds and "create" in verbs:
            yield f"rules[{number}] may run commands in every pod"


def _cluster_admin(resource: Resource) -> Iterator[str]:
    role = at(resource.body, "roleRef", "name")
    if role in ("cluster-admin", "admin", "edit") and resource.kind == "ClusterRoleBinding":
        yield f"gives the role {role} in every namespace"
    for each in rows(resource.body.get("subjects")):
        if each.get("name") in ("system:anonymous", "system:unauthenticated"):
            yield f"gives the role {role} to everybody: {each['name']}"


def _open_edge(resource: Resource) -> Iterator[str]:
    spec = at(resource.body, "spec") or {}
    for way, side in (("ingress", "from"), ("egress", "to")):
        for number, rule in enumerate(rows(spec.get(way))):
            if isinstance(rule, dict) and not rows(rule.get(side)) and not rows(rule.get("ports")):
                yield f"spec.{way}[{number}] lets everything through"


def _metadata_address(resource: Resource) -> Iterator[str]:
    for number, rule in enumerate(rows(at(resource.body, "spec", "egress"))):
        for peer in rows(at(rule, "to")):
            block = at(peer, "ipBlock") or {}
            wide = block.get("cidr") in ("0.0.0.0/0", "169.254.0.0/16", "169.254.169.254/32")
            if wide and "169.254.169.254/32" not in rows(block.get("except")):
                yield f"spec.egress[{number}] reaches the cloud's metadata address"


def _unencrypted(resource: Resource) -> Iterator[str]:
    if resource.body.get("provisioner") != "ebs.csi.aws.com":
        return
    encrypted = at(resource.body, "parameters", "encrypted")
    if encrypted not in ("true", UNKNOWN):
        yield f"parameters.encrypted is {encrypted or 'absent'}"


def _default_namespace(resource: Resource) -> Iterator[str]:
    if at(resource.body, "metadata", "namespace") in (None, "", "default"):
        yield "is in the namespace default"


RULES = (
    Rule(
        "namespace-enforces-restricted",
        ("Namespace",),
        "Pod Security at the API server holds also for pods that nobody reviewed.",
        f"set the label {ENFORCE}: restricted",
        _pod_security,
        also=("NSA/CISA pod security",),
    ),
    Rule(
        "no-public-load-balancer",
        ("Service",),
        "Documents of a company are behind this address.",
        "annotate it as internal, or set loadBalancerSourceRanges",
        _public,
        also=("kube-linter exposed-services", "NSA/CISA network separation"),
    ),
    Rule(
        "ingress-with-tls",
        ("Ingress",),
        "A key that travels in plain belongs to everybody on the way.",
        "set spec.tls",
        _plain_ingress,
        also=("Polaris tlsSettingsMissing",),
    ),
    Rule(
        "gateway-with-tls",
        ("Gateway",),
        "A key that travels in plain belongs to everybody on the way.",
        "set the listener's protocol to HTTPS and its certificate",
        _plain_gateway,
    ),
    Rule(
        "no-external-addresses",
        ("Service",),
        "Whoever may set externalIPs may take another service's traffic.",
        "take externalIPs away",
        _external_addresses,
    ),
    Rule(
        "no-wildcard-rights",
        GRANTS,
        "A wildcard also holds for kinds that are not invented yet.",
        "name the verbs, kinds and groups that are used",
        _wildcards,
        also=("kube-linter wildcard-in-rules", "checkov CKV_K8S_49", "NSA/CISA authorization"),
    ),
    Rule(
        "no-rights-over-rights",
        GRANTS,
        "Whoever may bind, impersonate or enter pods has every right there is.",
        "take it away; use the published role of the scope `namespace`",
        _too_much,
        also=("checkov CKV_K8S_157", "checkov CKV_K8S_158"),
    ),
    Rule(
        "no-cluster-admin",
        BINDINGS,
        "One stolen token of it is the whole cluster.",
        "bind a role of its own, in the namespace that it needs",
        _cluster_admin,
        also=("kube-linter cluster-admin-role-binding", "NSA/CISA authorization"),
    ),
    Rule(
        "no-open-edge",
        ("NetworkPolicy",),
        "An empty rule undoes the default deny of its namespace.",
        "name the peers or the ports",
        _open_edge,
        also=("NSA/CISA network separation",),
    ),
    Rule(
        "metadata-address-blocked",
        ("NetworkPolicy",),
        "From 169.254.169.254 a pod gets the credentials of its node.",
        "add 169.254.169.254/32 to the block's except",
        _metadata_address,
        also=("NSA/CISA network separation",),
    ),
    Rule(
        "volume-encrypted",
        ("StorageClass",),
        "Documents and vectors lie on it, and on every snapshot of it.",
        'set parameters.encrypted: "true"',
        _unencrypted,
    ),
    Rule(
        "own-namespace",
        ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod", "Service", "Secret"),
        "The namespace default has no default deny, no Pod Security and no owner.",
        "name one of the stack's namespaces",
        _default_namespace,
        also=("kube-linter use-namespace", "checkov CKV_K8S_21"),
    ),
)
