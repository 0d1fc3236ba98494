"""A random key as a resource: made once, secret in the state, kept by every later update."""

import secrets
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

Props = dict[str, Any]  # what the engine passes: plain values by name
BYTES = 32


class GeneratedSecretProvider(ResourceProvider):
    """What the engine calls; the value is in the state and nowhere else."""

    serialize_as_secret_always = False  # it holds nothing, and a plain one keeps diffs readable

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        return DiffResult(_olds.get("purpose") != _news.get("purpose"))

    def create(self, props: Props) -> CreateResult:
        value = secrets.token_urlsafe(BYTES)
        return CreateResult(str(props["purpose"]), {**props, "value": value})

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        return UpdateResult({**_news, "value": _olds["value"]})


class GeneratedSecret(Resource, module="stackyard", name="GeneratedSecret"):
    """One random key; `value` is secret."""

    value: pulumi.Output[str]

    def __init__(self, name: str, purpose: str, opts: pulumi.ResourceOptions | None = None) -> None:
        own = pulumi.ResourceOptions(additional_secret_outputs=["value"])
        super().__init__(
            GeneratedSecretProvider(),
            name,
            {"purpose": purpose, "value": None},
            pulumi.ResourceOptions.merge(own, opts),
        )
