"""Lets each package of pulumi_aws load the modules that are used, not all of its hundreds.

`aws.ec2` alone is 180 modules, of which a stack uses fourteen: whole, they take two seconds of CPU
in every preview. The names stay the same, so nothing else knows of this.
"""

import re
import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = "pulumi_aws"
USED = ("autoscaling", "cloudwatch", "ec2", "ecr", "eks", "iam", "kms")
WORDS = re.compile(r"(?<!^)(?=[A-Z])")


class Narrow(ModuleType):
    """A package that imports a class's own module when the class is first asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name == "outputs":
            return import_module(f"{self.__name__}.outputs")
        module = "_inputs" if name.endswith("Args") else WORDS.sub("_", name).lower()
        try:
            found = getattr(import_module(f"{self.__name__}.{module}"), name)
        except ModuleNotFoundError as error:
            raise AttributeError(name) from error
        setattr(self, name, found)
        return found


def narrow() -> None:
    """Prepare the packages that are used; one that is loaded already stays as it is."""
    root = find_spec(ROOT)
    if root is None or not root.submodule_search_locations:
        return
    for name in USED:
        full = f"{ROOT}.{name}"
        folder = Path(root.submodule_search_locations[0], name)
        if full in sys.modules or not folder.is_dir():
            continue
        package = Narrow(full)
        package.__path__ = [str(folder)]
        package.__package__ = full
        package.__spec__ = ModuleSpec(full, None, is_package=True)
        sys.modules[full] = package
