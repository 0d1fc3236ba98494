"""An image of ours as a resource: built and pushed when its content changes, used by digest."""

from typing import Any

import pulumi
from pulumi.dynamic import (
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)

from infra.command import plain_errors
from infra.images.build import build_and_push
from infra.images.recipe import RECIPES, content_hash
from infra.images.remote import find_digest, is_local
from infra.registry import Registry

Props = dict[str, Any]  # what the engine passes: plain values by name
INPUTS = ("recipe", "host", "path", "tag", "base")


class ImageProvider(ResourceProvider):
    """What the engine calls; a preview calls only diff, which looks at nothing."""

    serialize_as_secret_always = False  # it holds nothing, and a plain one keeps diffs readable

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        return DiffResult(any(_olds.get(key) != _news.get(key) for key in INPUTS))

    def create(self, props: Props) -> CreateResult:
        with plain_errors():
            return CreateResult(str(props["recipe"]), _provide(props))

    def read(self, id_: str, props: Props) -> ReadResult:
        """Find the image gone where its registry lost it; other registries are not asked."""
        host, path = str(props["host"]), str(props["path"])
        gone = is_local(host) and find_digest(host, path, str(props["tag"])) is None
        return ReadResult(None, {}) if gone else ReadResult(id_, props)

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        with plain_errors():
            return UpdateResult(_provide(_news))

    def delete(self, _id: str, _props: Props) -> None:
        """Leave the image where it is: running pods may be scheduled again and need it."""


class Image(Resource, module="stackyard", name="Image"):
    """One image; `reference` is what pods name, with its digest."""

    reference: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        recipe: str,
        registry: Registry,
        base: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        place = registry.reference(f"stackyard/{recipe}")
        own = pulumi.ResourceOptions(
            custom_timeouts=pulumi.CustomTimeouts(create="30m", update="30m")
        )
        super().__init__(
            ImageProvider(),
            name,
            {
                "recipe": recipe,
                "host": place.host,
                "path": place.path,
                "tag": content_hash(RECIPES[recipe], base),
                "base": base,
                "reference": None,
            },
            pulumi.ResourceOptions.merge(own, opts),
        )


def _provide(props: Props) -> Props:
    """Return the inputs with the image's reference; build only what the registry lacks."""
    host, path, tag = (str(props[key]) for key in ("host", "path", "tag"))
    digest = find_digest(host, path, tag) if is_local(host) else None
    if digest is None:
        recipe = RECIPES[str(props["recipe"])]
        digest = build_and_push(recipe, f"{host}/{path}:{tag}", str(props["base"]))
    return {**props, "reference": f"{host}/{path}@{digest}"}
