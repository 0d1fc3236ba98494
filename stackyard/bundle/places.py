"""Pure: where each item of a lock lies in the site's registry."""

from infra.registry import Reference, Registry, parse, rewrite
from stackyard.bundle.lock import PUSHED, Item
from stackyard.errors import Trouble

BUNDLE = "stackyard/bundle"


def place_of(item: Item, registry: Registry) -> Reference:
    """Return the item's reference in the registry, with its tag and, once known, its digest.

    Raises ValueError for an item that no registry holds.
    """
    if item.kind not in PUSHED:
        message = f"{item.key} is a file and has no place in a registry"
        raise ValueError(message)
    if item.kind == "image":
        place = parse(rewrite(item.reference, registry))
        return Reference(place.host, place.path, place.tag, item.digest)
    if item.kind == "chart":
        version = item.reference.rpartition(":")[2] if ":" in item.reference[8:] else "latest"
        place = registry.reference(f"charts/{item.name}", version.replace("+", "_"))
    else:
        short = item.digest.removeprefix("sha256:")[:12] if item.digest else None
        place = registry.reference(f"stackyard/models/{item.name}", short)
    return Reference(place.host, place.path, place.tag, item.digest)


def bundle_place(stack: str, registry: Registry) -> Reference:
    """Return where a registry says which bundle it has."""
    return registry.reference(BUNDLE, stack)


def registry_of(text: str) -> Registry:
    """Return the registry that HOST[:PORT][/PREFIX] names. Raises Trouble for other texts."""
    host, slash, prefix = text.removesuffix("/").partition("/")
    try:
        parse(f"{host}/{prefix or 'x'}")
    except ValueError:
        host = ""
    if not host or ("." not in host and ":" not in host and host != "localhost"):
        message = f"--registry is {text!r}: it must be HOST[:PORT][/PREFIX], without https://"
        raise Trouble(message, "stackyard bundle load DIR --registry registry.example.com/rag")
    return Registry(host, prefix if slash and prefix else None)


def collisions(items: list[Item]) -> list[str]:
    """Return a line for every two images that would lie in the same place."""
    registry = Registry("registry.invalid")
    found: dict[str, Item] = {}
    lines = []
    for item in items:
        place = place_of(item, registry)
        name = f"{place.path}:{place.tag or place.digest}"
        other = found.setdefault(name, item)
        if other.reference != item.reference and other.digest != item.digest:
            lines.append(f"{other.reference} and {item.reference} would both be {name}")
    return lines
