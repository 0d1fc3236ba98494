"""The images that a Helm chart names, by rendering it as the stack installs it."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import yaml

from infra.registry import parse
from stackyard.bundle.evaluated import Json
from stackyard.bundle.lock import ANY, Item
from stackyard.bundle.naming import chart_name, named_images
from stackyard.errors import Trouble
from tools import toolchain

Archive = Callable[[Item], bytes | None]  # None: the chart is not at hand


def releases(resources: Iterable[Json]) -> Iterator[tuple[Item, Json]]:
    """Yield every Helm chart that the program installs, with the inputs of its release."""
    for each in resources:
        if not each["type"].startswith("kubernetes:helm.sh/"):
            continue
        inputs = each["inputs"]
        chart, version = str(inputs["chart"]), inputs.get("version")
        options = inputs.get("repositoryOpts") or {}  # a text where a password masks all of it
        repository = options.get("repo") if isinstance(options, dict) else None
        reference = f"{repository}/{chart}" if repository else chart
        yield (
            Item(
                kind="chart",
                name=chart_name(chart),
                reference=f"{reference}:{version}" if version else reference,
                platform=ANY,
                source="chart",
            ),
            inputs,
        )


def chart_images(item: Item, inputs: Json, archive: bytes, known: Iterable[str]) -> Iterator[Item]:
    """Yield the images of a chart's objects, hooks and operator resources that are not known yet.

    `known` are the paths of images that the inventory has: the stack's values may have moved those
    to a private registry.
    """
    paths = set(known)
    for reference in sorted(set(rendered_images(item.name, inputs, archive))):
        path = parse(reference).path
        if not any(path == each or path.endswith(f"/{each}") for each in paths):
            yield Item(
                kind="image",
                name=f"{item.name}-{path.replace('/', '-')}",
                reference=reference,
                digest=parse(reference).digest,
                source="chart",
            )


def rendered_images(name: str, inputs: Json, archive: bytes) -> Iterator[str]:
    """Yield what `helm template` with the stack's values names. Raises Trouble where it fails."""
    helm = toolchain.ensure(["helm"])["helm"]
    with tempfile.TemporaryDirectory() as scratch:
        chart, values = Path(scratch, f"{name}.tgz"), Path(scratch, "values.json")
        chart.write_bytes(archive)
        values.write_text(json.dumps(inputs.get("values") or {}))
        namespace = str(inputs.get("namespace") or "default")
        done = subprocess.run(
            [helm, "template", name, chart, "--namespace", namespace, "--values", values],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        message = f"chart {name} does not render with the stack's values: {done.stderr.strip()}"
        raise Trouble(message, f"helm template {inputs['chart']}")
    for document in yaml.safe_load_all(done.stdout):
        yield from named_images(document)
