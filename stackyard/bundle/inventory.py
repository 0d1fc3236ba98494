"""The inventory: everything that a stack's evaluated program says a sealed site needs."""

from collections.abc import Iterable, Iterator, Sequence

from infra.registry import parse
from stackyard.bundle.charts import Archive, chart_images, releases
from stackyard.bundle.evaluated import Json, evaluate
from stackyard.bundle.files import tool_items, wheel_items
from stackyard.bundle.lock import ANY, Item, Lock, ordered, with_digests
from stackyard.bundle.naming import named_images
from stackyard.project import Stack

BUILT_HOST = "stackyard.invalid"  # an image of ours is in no registry until one is named
DRIVER = "gpu-operator-driver"
PROFILE = "NIM_MODEL_PROFILE"
CACHE = "NIM_CACHE_PATH"  # every NIM of ours has it
UNPINNED = "unpinned"  # the server chooses its profile by the GPU it finds


def inventory(
    stack: Stack,
    *,
    python: str,
    systems: Sequence[str] = (),
    known: Lock | None = None,
    archive: Archive = lambda _chart: None,
    stand_in: bool = False,
) -> Lock:
    """Return what a stack needs, with the digests that its settings, or an earlier lock, know.

    `python` is the deploying machine's version; `systems` are those of GPU nodes whose driver the
    operator brings, such as ubuntu24.04: the operator appends them to the image's tag. `archive`
    gives a chart that is at hand: what it names in templates, hooks and values is listed too.
    `stand_in` takes our double of the Kubernetes provider, marked as such, in place of Pulumi's.
    """
    found = evaluate(stack)
    kinds = {each["type"] for each in found["resources"]}
    aws = any(kind.startswith("aws:") for kind in kinds)
    named = list(images(found, systems))
    items = [
        *named,
        *_charts(found, named, archive),
        *models(found),
        *wheel_items(python, aws=aws),
        *tool_items(local=stack.is_local, aws=aws, stand_in=stand_in),
    ]
    return Lock(
        stack=stack.name,
        python=python,
        systems=tuple(systems),
        items=ordered(with_digests(items, known)),
    )


def images(found: Json, systems: Sequence[str] = ()) -> Iterator[Item]:
    """Yield every image: of the catalog, of operators, built here, and named by any object."""
    named: dict[str, str] = {}  # reference in the stack's registry -> public reference
    built = {
        f"{each['inputs']['host']}/{each['inputs']['path']}": each["inputs"]
        for each in found["resources"]
        if each["type"].endswith(":Image")
    }
    for name, inputs in ((str(each["recipe"]), each) for each in built.values()):
        yield Item(
            kind="image",
            name=name,
            reference=f"{BUILT_HOST}/{_below(str(inputs['path']))}:{inputs['tag']}",
            source="built",
        )
    for entry in found["exports"]["inventory"]:
        name, reference = entry["name"], entry.get("source", entry["image"])
        named[entry["image"]] = reference
        if _repository(entry["image"]) in built:
            continue
        origin = "operator" if name.startswith("gpu-operator-") else "catalog"
        if name == DRIVER:
            yield from _drivers(reference, systems)
        else:
            yield _image(name, reference, origin)
    for owner, reference in _in_objects(found["resources"]):
        if reference not in named and _repository(reference) not in built:
            named[reference] = reference
            yield _image(f"{owner}-{parse(reference).path.replace('/', '-')}", reference, "pod")


def _charts(found: Json, named: Sequence[Item], archive: Archive) -> Iterator[Item]:
    paths = [parse(item.reference).path for item in named]
    for chart, inputs in releases(found["resources"]):
        yield chart
        content = archive(chart)
        if content is not None:
            yield from chart_images(chart, inputs, content, paths)


def models(found: Json) -> Iterator[Item]:
    """Yield the model files of every NIM: its image, and the profile that is pinned."""
    sources = {each["image"]: each.get("source") for each in found["exports"]["inventory"]}
    for each in found["resources"]:
        if not each["type"].endswith(":Deployment"):
            continue
        for container in each["inputs"]["spec"]["template"]["spec"]["containers"]:
            environment = {e["name"]: e.get("value", "") for e in container.get("env", [])}
            if CACHE in environment:
                image = sources.get(container["image"]) or container["image"]
                yield Item(
                    kind="model",
                    name=str(each["inputs"]["metadata"]["name"]),
                    reference=f"{image}#{environment.get(PROFILE) or UNPINNED}",
                    platform=ANY,
                    source="settings",
                )


def _drivers(reference: str, systems: Sequence[str]) -> Iterator[Item]:
    if not systems:
        # said, not left out: which file travels depends on the nodes
        yield _image(DRIVER, f"{reference}-SYSTEM", "operator")
    for system in systems:
        yield _image(f"{DRIVER}-{system}", f"{reference}-{system}", "operator")


def _image(name: str, reference: str, source: str) -> Item:
    return Item(
        kind="image",
        name=name,
        reference=reference,
        digest=parse(reference).digest,
        source=source,
    )


def _in_objects(resources: Iterable[Json]) -> Iterator[tuple[str, str]]:
    """Yield the owner and the reference of every `image` in a Kubernetes object, however deep."""
    for each in resources:
        if each["type"].startswith("kubernetes:") and "helm" not in each["type"]:
            for reference in named_images(each["inputs"]):
                yield each["name"], reference


def _repository(reference: str) -> str:
    parsed = parse(reference)
    return f"{parsed.host}/{parsed.path}"


def _below(path: str) -> str:
    """Return an image's path without the stack's own prefix: stackyard/app."""
    return path[path.index("stackyard/") :]
