"""The plan of a stack's GPUs as the first lines of a preview, and the stop where models cannot fit.

Who makes plans is the caller's: they are no part of what runs where.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pulumi

from infra.schema import Settings
from infra.schema.gpu_choices import has_nim

# (stack, settings as its file spells them) -> lines for a person, whether the models cannot fit
Planner = Callable[[str, Mapping[str, Any]], tuple[Sequence[str], bool]]


def heed(planner: Planner, stack: str, settings: Settings) -> None:
    """Say the plan of the models on GPUs. Raises RunError where they cannot fit."""
    if not has_nim(settings):
        return
    lines, refused = planner(stack, settings.model_dump(by_alias=True, exclude_unset=True))
    told = "\n".join(lines)
    if refused:
        message = (
            f"the models of stack {stack} do not fit on its GPUs; nothing was changed\n{told}\n"
            f"hint: stackyard plan --stack {stack} shows the arithmetic"
        )
        raise pulumi.RunError(message)
    pulumi.log.info(told)
