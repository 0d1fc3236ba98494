"""One rule over one declared resource, pure: no engine, no cluster, no credentials."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

UNKNOWN = "<known after up>"
Body = Mapping[str, Any]
# what is wrong, each with the field; empty where all is well
Check = Callable[["Resource"], Iterable[str]]


@dataclass(frozen=True)
class Resource:
    """One declared resource: `kind` is Kubernetes' kind, or Pulumi's type of an AWS resource.

    `inside` holds the types of the components around it, outermost first.
    """

    kind: str
    name: str
    body: Body
    inside: tuple[str, ...] = ()
    site: Mapping[str, Any] = field(default_factory=dict)  # the site's settings of the rule

    @property
    def labels(self) -> Body:
        """Return the object's labels."""
        return at(self.body, "metadata", "labels") or {}


@dataclass(frozen=True)
class Rule:
    """A named rule; `also` are the names under which other tools know it."""

    name: str
    kinds: tuple[str, ...]
    reason: str
    fix: str
    check: Check
    also: tuple[str, ...] = ()
    advisory: bool = False
    settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def violations(self, resource: Resource) -> Iterator[str]:
        """Yield each violation as one line: field, what it was, what to do."""
        if resource.kind in self.kinds:
            for each in self.check(resource):
                yield f"{resource.kind} {resource.name}: {each}; {self.fix}"


def at(body: object, *path: str) -> Any:
    """Return what lies at a path; None where a part is absent, UNKNOWN where one is not known yet.

    Examples:
        >>> at({"spec": {"replicas": 2}}, "spec", "replicas")
        2
    """
    for key in path:
        if body == UNKNOWN:
            return UNKNOWN
        if not isinstance(body, Mapping) or key not in body:
            return None
        body = body[key]
    return body


def rows(value: object) -> list[Any]:
    """Return a list as it is, and nothing for what is absent or not known yet."""
    return list(value) if isinstance(value, list | tuple) else []


def is_true(value: object) -> bool:
    """Say whether a value is true, or may become so once it is known."""
    return value is True or value == UNKNOWN
