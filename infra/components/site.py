"""A site's own prompts, converters and pipelines, from a folder into a ConfigMap."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_kubernetes as k8s

from infra.components.pod import mount
from infra.components.scope import Scope

SITE = "/etc/rag-site"
FOLDERS = ("prompts", "converters", "pipelines")
MOST_BYTES = 900_000  # a ConfigMap may hold 1 MiB, names included
core = k8s.core.v1


@dataclass(frozen=True, kw_only=True)
class SiteConfig:
    """What the app's pod gets of it; nothing where the stack names no folder."""

    annotations: Mapping[str, str] | None = None
    mounts: Sequence[k8s.core.v1.VolumeMountArgs] = ()
    volumes: Sequence[k8s.core.v1.VolumeArgs] = ()


def site_files(folder: Path) -> dict[str, str]:
    """Return the texts by their path. Raises RunError for a folder that cannot be used."""
    setting, named = "stackyard:app.site", f"'{folder}'"
    if not folder.is_dir():
        message = f"{setting} is {named}, which is not a folder\n  hint: mkdir -p {folder}/prompts"
        raise pulumi.RunError(message)
    found: dict[str, str] = {}
    for path in sorted(each for name in FOLDERS for each in (folder / name).glob("*")):
        if path.is_file() and not path.name.startswith("."):
            try:
                found[f"{path.parent.name}/{path.name}"] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                message = f"{setting}: {path} is not text\n  hint: remove it from the folder"
                raise pulumi.RunError(message) from None
    if not found:
        message = (
            f"{setting} is {named}, which holds nothing of {', '.join(FOLDERS)}"
            "\n  hint: docs/guides/site.md has an example"
        )
        raise pulumi.RunError(message)
    size = sum(len(name) + len(text.encode()) for name, text in found.items())
    if size > MOST_BYTES:
        message = (
            f"{setting} is {named}, which holds {size} bytes; at most {MOST_BYTES} fit"
            "\n  hint: leave out what is not prompts, converters or pipelines"
        )
        raise pulumi.RunError(message)
    return found


def site_config(
    resource: str, scope: Scope, name: str, folder: str | None, *, parent: pulumi.Resource
) -> SiteConfig:
    """Make the ConfigMap; a change of a file changes the pod, which reads it at its start."""
    if folder is None:
        return SiteConfig()
    files = site_files(Path(folder))
    # a key may hold no slash
    keys = {path: path.replace("/", ".", 1) for path in files}
    made = core.ConfigMap(
        resource,
        metadata=scope.unnamed(name, "app"),
        data={keys[path]: text for path, text in files.items()},
        opts=pulumi.ResourceOptions(parent=parent),
    )
    digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()[:16]
    items = [core.KeyToPathArgs(key=key, path=path) for path, key in keys.items()]
    source = core.ConfigMapVolumeSourceArgs(name=made.metadata.name, items=items)
    return SiteConfig(
        annotations={"stackyard/site": digest},
        mounts=[mount("site", SITE, read_only=True)],
        volumes=[core.VolumeArgs(name="site", config_map=source)],
    )
