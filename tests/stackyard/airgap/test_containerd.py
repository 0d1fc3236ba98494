"""A real containerd reads the generated hosts.toml: every public name comes from the registry."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.registry import parse
from stackyard.airgap.node_config import CA, PUBLIC, hosts_toml
from stackyard.bundle.access import Access
from stackyard.bundle.transport import Skopeo
from tests.stackyard.bundle.conftest import Factory, noise
from tests.stackyard.bundle.real_registry import PASSWORD, USER, RealRegistry
from tools.binaries import node_binaries
from tools.portable import find_skopeo

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(1800),  # the first one builds containerd
    pytest.mark.skipif(os.geteuid() != 0, reason="containerd runs as root only"),
]
SECONDS = 30.0
CONFIG = """version = 3
disabled_plugins = ["io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"]
"""


@pytest.fixture
def containerd(tmp_path: Path) -> Iterator[list[str]]:
    """A containerd without Kubernetes' part; what runs its client."""
    binaries, socket = node_binaries(), tmp_path / "c.sock"
    (tmp_path / "config.toml").write_text(CONFIG)
    options: list[str | Path] = [
        "--address",
        socket,
        "--root",
        tmp_path / "root",
        "--state",
        tmp_path / "state",
    ]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [binaries / "containerd", "--config", tmp_path / "config.toml", *options],
            stdout=log,
            stderr=log,
        )
    try:
        end = time.monotonic() + SECONDS
        while not socket.exists():
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < end, (tmp_path / "log").read_text()
            time.sleep(0.05)
        yield [str(binaries / "ctr"), "--address", str(socket)]
    finally:
        process.terminate()
        process.wait(10)


def test_containerd_pulls_public_names_from_the_registry_and_goes_nowhere_else(
    tmp_path: Path, containerd: list[str]
) -> None:
    def fetch(name: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *(*containerd, "content", "fetch", "--hosts-dir", str(folder)),
                *("--user", f"{USER}:{PASSWORD}", name),
            ],
            capture_output=True,
            text=True,
            check=False,
        )

    with RealRegistry(tmp_path / "site", tls=True, password=True) as site:
        assert site.ca is not None
        factory = Factory(tmp_path / "factory", site)
        image = factory.image([noise(9_000, 70)])
        access = Access(host=site.address, username=USER, password=PASSWORD, ca=site.ca)
        target = parse(f"{site.address}/rag/vendor/x:1")
        Skopeo([str(find_skopeo())], access).push(factory.layout, image.digest, target)
        folder = tmp_path / "certs.d"
        files = hosts_toml(PUBLIC, site.address, "rag", ca=True, folder=str(folder))
        for path, text in files.items():
            Path(path).parent.mkdir(parents=True)
            Path(path).write_text(text.replace(CA, str(site.ca)))
        names = ("nvcr.io/vendor/x:1", "docker.io/vendor/x:1", "other.example/vendor/x:1")
        own = f"{site.address}/rag/vendor/x@{image.digest}"
        done = {name: fetch(name) for name in (*names, own)}
    away = fetch("nvcr.io/vendor/x:1")

    for name, each in done.items():
        assert each.returncode == 0, (name, each.stderr)
        assert image.digest in each.stdout, name
    assert away.returncode != 0
    assert f"https://{site.address}/v2/rag/vendor/x/manifests/1" in away.stderr
    assert "https://nvcr.io" not in away.stderr
