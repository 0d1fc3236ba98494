"""What the checks' tests share: a stand-in API server and registry, and how findings read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stackyard.kubernetes import Kubernetes
from tests.stackyard.fake_kubernetes import FakeKubernetes
from tests.stackyard.fake_registry import FakeRegistry


@pytest.fixture
def fake() -> Iterator[FakeKubernetes]:
    with FakeKubernetes() as running:
        yield running


@pytest.fixture
def api(fake: FakeKubernetes, tmp_path: Path) -> Iterator[Kubernetes]:
    with Kubernetes(fake.kubeconfig(tmp_path)) as client:
        yield client


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running
