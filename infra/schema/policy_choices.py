"""Pure: what a stack's settings mean for quota and priorities, where they leave it to us."""

from infra.schema import Settings


def has_quota(settings: Settings) -> bool:
    """Tell whether the stack's namespaces get a quota: where we make them, unless told."""
    return _given_or_ours(settings.policy.quota, settings)


def has_priorities(settings: Settings) -> bool:
    """Tell whether the stack makes priority classes, which are the whole cluster's."""
    return _given_or_ours(settings.policy.priorities, settings)


def preempts(settings: Settings) -> bool:
    """Tell whether what answers may end other pods for its place: on clusters of our own."""
    return settings.cluster.kind != "existing"


def _given_or_ours(given: bool | None, settings: Settings) -> bool:
    return settings.cluster.scope == "cluster" if given is None else given
