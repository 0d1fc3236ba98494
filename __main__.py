"""The Pulumi program; it lies here and not in infra/, so that imports are those of the tests."""

import gc

gc.disable()  # it ends in seconds; collecting while packages load takes a tenth of its CPU

from infra.program import deploy  # noqa: E402
from stackyard.planner.preview import planned  # noqa: E402

deploy(planner=planned)
