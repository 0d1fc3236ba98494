"""KEDA on the journeys' cluster: out of its Go module, installed by its module's own objects.

tools/keda leaves out the scalers that no stack of ours uses. KEDA's chart is on no package
registry, so a stack adopts this KEDA.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.yard import Yard
from tools.keda.image import ARCHIVE, ensure

NAMESPACE = "keda"
ADOPTED = {"mode": "adopt", "namespace": NAMESPACE}


@contextmanager
def keda_on(yard: Yard, config: pytest.Config) -> Iterator[None]:
    """Have KEDA ready until the block ends, which is after the stacks that it scales."""
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():  # building it takes a while: show it
        folder = ensure().folder
    # two cores would not hold a second server of a second stack beside all of the first
    yard.kubectl("scale", "deployment", "--all", "-n", f"models-{yard.stack}", "--replicas=0")
    archive, cluster = str(folder / ARCHIVE), f"stackyard-{yard.stack}"
    yard.tool("kind", "load", "image-archive", archive, "--name", cluster)
    # server-side: its definitions are longer than what kubectl would note of them
    yard.kubectl("apply", "--server-side", "--kustomize", str(folder))
    for name in ("keda-operator", "keda-metrics-apiserver"):
        rollout = ("rollout", "status", "-n", NAMESPACE, f"deployment/{name}", "--timeout=300s")
        yard.kubectl(*rollout)
    api = "apiservice/v1beta1.external.metrics.k8s.io"
    yard.kubectl("wait", api, "--for=condition=Available", "--timeout=120s")
    yield
    yard.kubectl("delete", "--kustomize", str(folder))
    yard.kubectl("scale", "deployment", "--all", "-n", f"models-{yard.stack}", "--replicas=1")
