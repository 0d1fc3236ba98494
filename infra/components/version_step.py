"""A version that goes on by single steps: the engine refuses any other before it changes the data.

Qdrant reads what the minor version before its own has written, and nothing older or newer
(qdrant.tech/documentation/upgrades).
"""

import re
from typing import Any

import pulumi
from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

Props = dict[str, Any]  # what the engine passes: plain values by name
VERSION = re.compile(r"v?([0-9]+)\.([0-9]+)\.[0-9]+")
HINT = (
    "hint: go by way of the stackyard that brings the version in between, or restore a backup "
    "into a new stack: docs/guides/upgrade.md"
)


class VersionStepProvider(ResourceProvider):
    """What the engine calls; a preview calls check too."""

    serialize_as_secret_always = False  # it holds nothing, and a plain one keeps diffs readable

    def check(self, _olds: Props, news: Props) -> CheckResult:
        why = refusal(str(news["part"]), _olds.get("version"), str(news["version"]))
        return CheckResult(news, [] if why is None else [CheckFailure("version", why)])

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        return DiffResult(_olds.get("version") != _news.get("version"))

    def create(self, props: Props) -> CreateResult:
        return CreateResult(str(props["part"]), props)

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        return UpdateResult(_news)


class VersionStep(Resource, module="stackyard", name="VersionStep"):
    """The version of one part; what holds its data depends on this."""

    def __init__(
        self, name: str, part: str, version: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(VersionStepProvider(), name, {"part": part, "version": version}, opts)


def refusal(part: str, before: str | None, after: str) -> str | None:
    """Return why a part may not go from a version to another; None where it may, or nobody knows.

    The same or the next minor version of one major version is a step.
    """
    old, new = VERSION.match(before or ""), VERSION.match(after)
    if old is None or new is None:
        return None
    major, minor = int(old[1]), int(old[2])
    if (int(new[1]), int(new[2])) in ((major, minor), (major, minor + 1)):
        return None
    return (
        f"{part} would go from {before} to {after}; it reads what the minor version before its own "
        f"has written, and nothing older or newer\n{HINT}"
    )
