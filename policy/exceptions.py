"""What of our own breaks a rule, by name and with its reason; a site adds its own by `except`."""

from dataclasses import dataclass

from policy.rule import Resource

NIM = "stackyard:index:Nim"


@dataclass(frozen=True)
class Waiver:
    """A rule that does not hold for one kind inside one component of ours."""

    rule: str
    inside: str
    kinds: tuple[str, ...]
    reason: str

    def holds(self, rule: str, resource: Resource) -> bool:
        """Say whether this lets the resource through that rule."""
        wanted = rule == self.rule and resource.kind in self.kinds
        return wanted and self.inside in resource.inside


WAIVERS = (
    Waiver(
        "read-only-root",
        NIM,
        ("Deployment", "Job"),
        "a NIM writes beside its cache, and what exactly was not seen on hardware yet",
    ),
    Waiver(
        "namespace-enforces-restricted",
        "stackyard:index:GpuOperator",
        ("Namespace",),
        "its pods load drivers into the kernel of the node; nothing else runs in that namespace",
    ),
    Waiver(
        "no-public-load-balancer",
        "stackyard:index:RagApp",
        ("Service",),
        "every route behind it but /healthz and /readyz asks for a key",
    ),
    Waiver(
        "repository-immutable",
        "stackyard:eks:Repositories",
        ("aws:ecr/repository:Repository",),
        "a rebuild of the same sources has another digest under their tag; pods name digests",
    ),
)


def waived(rule: str, resource: Resource) -> bool:
    """Say whether a rule does not hold for a resource of ours."""
    return any(each.holds(rule, resource) for each in WAIVERS)
