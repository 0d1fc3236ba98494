"""A third-party image as a resource: copied into the stack's own registry before it is pulled.

AWS's registry cannot pull NVIDIA's through, so their images are copied once.
"""

import tempfile
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from infra.command import plain_errors, run
from infra.images.ecr import USERNAME, log_skopeo_in, password
from infra.registry import parse

Props = dict[str, Any]  # what the engine passes: plain values by name
NVIDIA, NVIDIA_USER = "nvcr.io", "$oauthtoken"


class ImageCopyProvider(ResourceProvider):
    """What the engine calls; skopeo skips what the target has already."""

    serialize_as_secret_always = False  # it holds nothing, and a plain one keeps diffs readable

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        return DiffResult(any(_olds.get(key) != _news.get(key) for key in ("source", "target")))

    def create(self, props: Props) -> CreateResult:
        with plain_errors():
            copy(props["source"], props["target"], props.get("key"))
            return CreateResult(str(props["target"]), props)

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        with plain_errors():
            copy(_news["source"], _news["target"], _news.get("key"))
            return UpdateResult(_news)


class ImageCopy(Resource, module="stackyard", name="ImageCopy"):
    """One image in the stack's registry."""

    def __init__(
        self,
        name: str,
        source: str,
        target: str,
        key: pulumi.Output[str] | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        own = pulumi.ResourceOptions(
            custom_timeouts=pulumi.CustomTimeouts(create="60m", update="60m")
        )
        super().__init__(
            ImageCopyProvider(),
            name,
            {"source": source, "target": target, "key": key},
            pulumi.ResourceOptions.merge(own, opts),
        )


def copy(source: str, target: str, key: str | None) -> None:
    """Copy an image with all of its platforms; keys are in a file that only this call sees."""
    with tempfile.TemporaryDirectory() as scratch:
        keys = Path(scratch, "keys.json")
        keys.write_text("{}")
        host = parse(target).host
        secret = password(host)
        if secret is not None:
            log_skopeo_in(host, USERNAME, secret, keys)
        if key is not None and parse(source).host == NVIDIA:
            log_skopeo_in(NVIDIA, NVIDIA_USER, key, keys)
        run(
            *("skopeo", "copy", "--all", "--authfile", keys),
            *(f"docker://{source}", f"docker://{target}"),
            hint=f"skopeo inspect --raw docker://{source}",
        )
