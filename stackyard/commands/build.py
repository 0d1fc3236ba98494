"""`stackyard bundle build`: a stack's own images on the connected side, where no stack runs."""

import os
from typing import Annotated

import typer

from stackyard import machine
from stackyard.bundle.evaluated import evaluate
from stackyard.bundle.inventory import images
from stackyard.bundle.places import registry_of
from stackyard.bundle.resolve import built_tags
from stackyard.commands.bundle import SettingsFile, stack_of
from stackyard.commands.options import StackName
from stackyard.progress import Stages, out


def build(
    registry: Annotated[
        str, typer.Option("--registry", help="HOST/PREFIX, which `bundle lock --built` then names.")
    ],
    stack: StackName = "dev",
    settings: SettingsFile = None,
) -> None:
    """Build and push the images of ours that a stack needs; `bundle lock` then finds them."""
    from infra.catalog import PYTHON
    from infra.images.build import build_and_push  # here: they bring the Pulumi SDK along
    from infra.images.recipe import RECIPES
    from infra.machine import load_machine

    place = registry_of(registry)
    needed = [
        item.name for item in images(evaluate(stack_of(stack, settings))) if item.source == "built"
    ]
    stages = Stages()
    with stages.stage("Docker") as tell:
        machine.start_docker(tell)
    os.environ["PATH"] = machine.environment(stack_of(stack, settings))["PATH"]
    base, tags = load_machine().base_image or PYTHON, built_tags()
    for name in needed:
        with stages.stage(f"image {name}"):
            target = place.reference(f"stackyard/{name}", tags[name])
            digest = build_and_push(RECIPES[name], str(target), base)
        out().print(f"{target}@{digest}", highlight=False)
