"""Builds the images of ours that a lock names, and pushes them to where `--built` finds them."""

from collections.abc import Callable, Iterable
from pathlib import Path

from infra.registry import Registry as Place
from infra.registry import parse
from stackyard.bundle.access import access_from
from stackyard.bundle.inventory import BUILT_HOST
from stackyard.bundle.lock import Item
from stackyard.bundle.registry import Registry
from stackyard.bundle.resolve import built_tags


def build(
    items: Iterable[Item], place: Place, registry: Registry, tell: Callable[[str], None]
) -> dict[str, str]:
    """Return name -> reference of the images of ours, built and pushed where they are not there."""
    from infra.catalog import PYTHON  # here, because they bring the Pulumi SDK along
    from infra.images.build import build_and_push
    from infra.images.recipe import RECIPES
    from infra.machine import load_machine

    base, tags = load_machine().base_image or PYTHON, built_tags()
    done = {}
    for item in items:
        if item.kind != "image" or parse(item.reference).host != BUILT_HOST:
            continue
        target = place.reference(parse(item.reference).path, tags[item.name])
        if registry.manifest(target.path, tags[item.name]) is None:
            tell(f"building {item.name}")
            build_and_push(RECIPES[item.name], str(target), base)
        done[item.name] = str(target)
    return done


def registry_to(place: Place) -> Registry:
    """Return the registry that is pushed to, with the keys of `docker login`."""
    return Registry(access_from(place.host, authfile=Path("~/.docker/config.json").expanduser()))
