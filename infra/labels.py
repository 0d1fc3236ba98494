"""The five labels that every object of ours carries, and the one of nodes that we made."""

PART_OF = "stackyard"
POOL = "stackyard/pool"  # of a node that we made: the name of its pool


def labels(name: str, component: str, stack: str) -> dict[str, str]:
    """Return the recommended labels of an object."""
    return {
        **selector(name, stack),
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": PART_OF,
        "app.kubernetes.io/managed-by": "pulumi",
    }


def selector(name: str, stack: str) -> dict[str, str]:
    """Return the two labels that select the pods of one workload; they never change."""
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/instance": stack}
