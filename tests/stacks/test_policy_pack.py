"""The policy pack in the real engine, over a stack of ours and over one that somebody changed."""

from pathlib import Path

import pytest

from tests.stacks.driver import Driver
from tools import toolchain

PACK = Path(__file__).parents[2] / "policy"
CHANGE = """
import pulumi_kubernetes as k8s
from infra.program import deploy

deploy()
k8s.core.v1.Service(
    "debug",
    metadata={"name": "debug", "namespace": "rag-onprem"},
    spec={"type": "LoadBalancer", "ports": [{"port": 80}]},
)
"""

pytestmark = pytest.mark.engine


@pytest.fixture
def onprem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Driver:
    monkeypatch.setenv("STACKYARD_HOME", str(tmp_path / "home"))
    toolchain.ensure()
    return Driver("onprem", tmp_path)


def test_a_preview_stops_at_a_change_that_breaks_a_rule_and_not_before(onprem: Driver) -> None:
    onprem.pulumi("preview", "--policy-pack", str(PACK))

    (onprem.project / "__main__.py").write_text(CHANGE)
    with pytest.raises(AssertionError) as stopped:
        onprem.pulumi("preview", "--policy-pack", str(PACK))

    told = str(stopped.value)
    assert "[mandatory]  no-public-load-balancer  (kubernetes:core/v1:Service: debug)" in told
    assert "its load balancer is open to the whole internet" in told
    assert told.count("[mandatory]") == 1
