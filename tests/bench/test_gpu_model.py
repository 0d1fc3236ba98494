"""What was measured on an H100 is what the shape's arithmetic says."""

import json
from pathlib import Path

import pytest

from bench.gpu_model import Shape

MEASURED = json.loads(
    (Path(__file__).parents[2] / "bench" / "results" / "gpu-h100-llama-8b.json").read_text()
)


def test_the_shape_has_the_published_number_of_parameters() -> None:
    assert Shape().parameters == 8_030_261_248  # the model card's 8.03 billion


@pytest.mark.parametrize("run", MEASURED["runs"], ids=lambda run: f"batch {run['batch']}")
def test_weights_and_cache_take_the_bytes_that_the_arithmetic_says(
    run: dict[str, float],
) -> None:
    assert run["weight_bytes"] == pytest.approx(2 * Shape().parameters, rel=0.01)
    assert run["kv_bytes"] == run["batch"] * run["context"] * Shape().kv_bytes_per_token()
