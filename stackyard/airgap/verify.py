"""The static proof of a stack: its evaluated program, its rendered charts, its Dockerfiles."""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from infra.reach import AllowList
from stackyard.airgap.check import Check
from stackyard.airgap.part import Json, Place
from stackyard.airgap.static import examine
from stackyard.bundle.evaluated import evaluate
from stackyard.errors import Trouble
from stackyard.project import PACKAGE, Stack
from tools import toolchain

DOCKERFILES = ("app/Dockerfile", "local/*/Dockerfile", "infra/images/*/Dockerfile")


def verify(stack: Stack, charts: Mapping[str, Path]) -> list[Check]:
    """Return the checks of a sealed stack; `charts` are files by the name of the chart.

    Raises Trouble where the stack is not sealed, or its settings are refused.
    """
    place = place_of(stack)
    found = evaluate(stack, listing=False)
    resources, inventory = found["resources"], found["exports"]["inventory"]
    rendered = render(resources, charts, stack.project)
    return examine(resources, inventory, place, rendered, dockerfiles())


def place_of(stack: Stack) -> Place:
    """Return what a stack may name. Raises Trouble where it says none of it."""
    settings = stack.settings
    if settings.get("airgapped") not in (True, "true"):
        message = f"stack {stack.name} is not sealed: stackyard:airgapped is not true"
        raise Trouble(message, f"pulumi config set --stack {stack.name} stackyard:airgapped true")
    registry, network = settings.get("registry"), settings.get("network")
    named = registry if isinstance(registry, dict) else {}
    host = named.get("host") or _account(stack)
    allowed = network.get("allowed", []) if isinstance(network, dict) else []
    prefix = named.get("prefix")
    return Place(str(host), str(prefix) if prefix else None, AllowList((str(host), *allowed)))


def _account(stack: Stack) -> str:
    account, region = stack.cluster_setting("account"), stack.cluster_setting("region")
    return f"{account}.dkr.ecr.{region}.amazonaws.com"


def render(
    resources: list[Json], charts: Mapping[str, Path], project: Path
) -> dict[str, list[Json]]:
    """Return the objects of each release whose chart is at hand, by the real helm.

    A chart is at hand where the settings name a file, from `project` on, or `charts` has its name.
    """
    rendered = {}
    for each in resources:
        if not each["type"].endswith(":Release"):
            continue
        chart = str(each["inputs"]["chart"])
        file = charts.get(chart_name(chart))
        if file is None and "://" not in chart and (project / chart).exists():
            file = project / chart
        if file is not None:
            rendered[str(each["name"])] = _template(file, each["inputs"])
    return rendered


def chart_name(chart: str) -> str:
    """Return the name of a chart by its address, its name, or a file NAME-VERSION.tgz."""
    words = chart.rpartition("/")[2].removesuffix(".tgz").split("-")
    return "-".join(word for word in words if not word.lstrip("v")[:1].isdigit())


def _template(chart: Path, inputs: Json) -> list[Json]:
    helm = str(toolchain.ensure(["helm"])["helm"])
    with tempfile.TemporaryDirectory() as scratch:
        values = Path(scratch, "values.json")
        values.write_text(json.dumps(inputs.get("values") or {}))
        done = subprocess.run(
            [
                *(helm, "template", str(inputs.get("name", "release")), str(chart)),
                *("--namespace", str(inputs.get("namespace", "default"))),
                *("--values", str(values), "--include-crds"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        message = f"helm cannot render {chart}: {done.stderr.strip()[-800:]}"
        raise Trouble(message, f"helm template {chart}")
    objects: list[Any] = list(yaml.safe_load_all(done.stdout))
    return [each for each in objects if isinstance(each, dict)]


def dockerfiles() -> dict[str, str]:
    """Return the text of every Dockerfile of this program."""
    found = [path for pattern in DOCKERFILES for path in sorted(PACKAGE.glob(pattern))]
    return {str(path.relative_to(PACKAGE)): path.read_text() for path in found}
