"""A sealed stack from a sealed machine: installed, loaded, deployed, proven, upgraded, rolled back.

The machine is a network namespace that reaches the registry and the API server; it has Python, an
empty home and a bundle on a disk, and sees nothing of this checkout. The registry is Debian's with
TLS and a password, filled by `bundle load`. Where the cluster has no policy engine, rules of
nftables on its node stand in for one, and the test's name says so.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from stackyard.airgap.node_config import CA, corefile, hosts_toml
from tests.e2e.connected import Bundles, Inventory, blobs_of, files_of, make_bundles
from tests.e2e.outside import ADDRESS, NAME, Outside, Shell, answer_by, dns, outside
from tests.e2e.site_registry import PASSWORD, USER, site_registry
from tests.e2e.yard import ROOT, Yard
from tools.paths import cache_dir
from tools.sealed.docker import namespace_name

pytestmark = pytest.mark.e2e

STACK = "sealed"
NODE_FILES = "/etc/containerd/certs.d"
# in a mount namespace of its own: neither the checkout nor the cache of the tools is there
ALONE = f'mount -t tmpfs none {ROOT} && mount -t tmpfs none {cache_dir()} && exec "$@"'


@dataclass(frozen=True)
class Site:
    """A sealed stack, and the machine that it is deployed from."""

    shell: Shell
    inventory: Inventory  # of the journey's stack, by name
    around: Outside
    bundles: Bundles
    disk: Path  # what the person brings: settings, the authority, the password, a kubeconfig
    registry: str  # HOST:PORT
    project: Path  # made by the install

    def run(
        self, *words: str | Path, code: int = 0, environment: dict[str, str] | None = None
    ) -> str:
        """Run a command on the sealed machine."""
        alone = ("unshare", "--mount", "sh", "-c", ALONE, "sh")
        done = subprocess.run(
            ["nsenter", f"--net=/run/netns/{self.around.deployer}", *alone, *words],
            cwd=self.project if self.project.is_dir() else self.disk,
            env=environment or self.bare,
            capture_output=True,
            text=True,
            timeout=1500,
            check=False,
        )
        assert done.returncode == code, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    @property
    def bare(self) -> dict[str, str]:
        """Return the environment of a machine that has its system's programs and no more."""
        return {
            "HOME": str(self.disk / "home"),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "STACKYARD_STANDIN_ANY_CLUSTER": "1",  # its address is not loopback here
        }

    def install(self, bundle: Path) -> str:
        script = bundle / "stackyard.py"
        to = ("--key", self.bundles.key, "--to", self.project)
        return self.run(python(), script, "install", *to)

    def load(self, bundle: Path) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(
            self.run(
                *(self.project / "bin/stackyard", "bundle", "load", bundle, "--json"),
                *("--key", self.bundles.key, "--registry", self.registry, "--username", USER),
                *("--password-file", self.disk / "password", "--ca", self.disk / "ca.crt"),
            )
        )
        return read

    def stackyard(self, *words: str, code: int = 0) -> str:
        return self.run(self.project / "bin/stackyard", *words, "--stack", STACK, code=code)

    def pulumi(self, *words: str) -> str:
        """Run pulumi as a shell has it after `eval "$(bin/stackyard env --stack sealed)"`."""
        script = f'eval "$(bin/stackyard env --stack {STACK})" && exec pulumi "$@"'
        named = (*words, "--stack", STACK, "--non-interactive")
        return self.run("sh", "-c", script, "pulumi", *named)

    def app(self) -> tuple[str, int]:
        """Return the image of the service, and how many of it are ready."""
        found = self.shell.kubectl("get", "deployment", "rag", "-n", f"rag-{STACK}", "-o", "json")
        read = json.loads(found)
        image: str = read["spec"]["template"]["spec"]["containers"][0]["image"]
        return image, read["status"]["readyReplicas"]


def python() -> Path:
    """Return a Python of the tests' version without our packages."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    system = Path("/usr/bin", name)
    return system if system.exists() else Path(sys.base_prefix, "bin", name)


@pytest.fixture(scope="module")
def shell(yard: Yard) -> Shell:
    return Shell(yard.shell_environment())


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("disk")
    (folder / "home").mkdir()
    return folder


@pytest.fixture(scope="module")
def registry(yard: Yard, shell: Shell, disk: Path) -> Iterator[str]:
    theirs = f"stackyard-{yard.stack}-registry"
    image = shell.docker("inspect", "--format", "{{.Config.Image}}", theirs).strip()
    with site_registry(shell, image, disk) as address:
        yield address


@pytest.fixture(scope="module")
def site(yard: Yard, shell: Shell, registry: str, disk: Path) -> Iterator[Site]:
    namespace = docker_namespace(yard)
    node = f"stackyard-{yard.stack}-control-plane"
    inventory = {each["name"]: each for each in yard.outputs()["inventory"]}
    trust_on_the_node(shell, node, registry, disk)
    before = dns(shell)
    with outside(shell, node, namespace, registry.partition(":")[0]) as around:
        project = disk / "stackyard"
        settings = write_settings(shell, around, disk, project, registry)
        bundles = make_bundles(shell, inventory, settings, disk)
        site = Site(shell, inventory, around, bundles, disk, registry, project)
        # a cluster that asks outside, as clusters do
        answer_by(shell, before.replace("/etc/resolv.conf", ADDRESS))
        try:
            yield site
        finally:
            answer_by(shell, before)
            if shell.kubectl("get", "namespace", f"rag-{STACK}", "--ignore-not-found").strip():
                site.stackyard("down", "--delete-data", "--yes")


def docker_namespace(yard: Yard) -> str:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("STACKYARD_HOME", str(yard.home))
        name = namespace_name()
    if not Path("/run/netns", name).exists():
        pytest.skip("this machine's own Docker: an outside would need rules on the machine itself")
    return name


def trust_on_the_node(shell: Shell, node: str, host: str, folder: Path) -> None:
    """Do on the node what `stackyard airgap node-config` prints."""
    mounts = json.loads(shell.docker("inspect", "--format", "{{json .Mounts}}", node))
    (mounted,) = [each["Source"] for each in mounts if each["Destination"] == NODE_FILES]
    shell.docker("exec", node, "mkdir", "-p", str(Path(CA).parent))
    shell.docker("cp", str(folder / "ca.crt"), f"{node}:{CA}")
    files = hosts_toml((), host, None, ca=True)
    target = Path(mounted, host, "hosts.toml")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(files[f"{NODE_FILES}/{host}/hosts.toml"])


def write_settings(shell: Shell, around: Outside, disk: Path, project: Path, registry: str) -> Path:
    """Write the sealed stack's settings and its kubeconfig; return the settings' file."""
    config = yaml.safe_load(Path(shell.environment["KUBECONFIG"]).read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://{around.node_ip}:6443"
    (disk / "kubeconfig").write_text(json.dumps(config))
    settings: dict[str, Any] = {
        "airgapped": True,
        "cluster": {
            "kind": "existing",
            "kubeconfig": str(disk / "kubeconfig"),
            "context": config["current-context"],
            "storageClass": "stackyard",
        },
        "registry": {
            "host": registry,
            "mirrored": True,
            "username": USER,
            "ca": "ca.crt",
            "lock": "bundle.lock",
        },
    }
    given = {f"stackyard:{noun}": value for noun, value in settings.items()}
    file = disk / f"Pulumi.{STACK}.yaml"
    file.write_text(json.dumps({"config": given}))
    return file


@pytest.fixture(scope="module")
def control(site: Site) -> Iterator[str]:
    """A pod of nobody's that is let out, of an image that the node has; NAMESPACE/POD."""
    image = site.inventory["app"]["image"]
    site.shell.kubectl("create", "namespace", "free")
    try:
        site.shell.kubectl(
            *("run", "free", "-n", "free", f"--image={image}", "--command", "--"),
            *("python3", "-c", "import time; time.sleep(3600)"),
        )
        site.shell.kubectl(
            "wait", "pod/free", "-n", "free", "--for=condition=Ready", "--timeout=180s"
        )
        got = site.shell.kubectl(
            "get", "pod", "free", "-n", "free", "-o", "jsonpath={.status.podIP}"
        )
        site.around.free(got)
        yield "free/free"
    finally:
        site.shell.kubectl("delete", "namespace", "free", "--wait=false")


def proof(site: Site, control: str, *, code: int) -> dict[str, Any]:
    """Return the checks of a report, by name."""
    said = site.stackyard(
        *("airgap", "verify", "--json", "--control", control),
        *("--outside", site.around.address, "--outside-name", NAME),
        code=code,
    )
    return {each["check"]: each for each in json.loads(said)["checks"]}


def test_the_sealed_machine_reaches_the_registry_and_the_api_server_only(site: Site) -> None:
    script = (
        "import socket, sys\n"
        "for address in sys.argv[1:]:\n"
        "    host, port = address.split(':')\n"
        "    try:\n"
        "        socket.create_connection((host, int(port)), 3).close()\n"
        "        print('reached')\n"
        "    except OSError as error:\n"
        "        print(error.strerror)\n"
    )
    wanted = (f"{site.around.node_ip}:6443", site.registry, site.around.address, "1.1.1.1:443")

    said = site.run(python(), "-c", script, *wanted).splitlines()

    assert said[:2] == ["reached", "reached"]
    assert set(said[2:]) == {"Network is unreachable"}


def test_it_is_installed_loaded_and_deployed_from_the_disk_alone(site: Site) -> None:
    said = site.install(site.bundles.first)
    loaded = site.load(site.bundles.first)
    for name in (f"Pulumi.{STACK}.yaml", "ca.crt"):
        shutil.copy(site.disk / name, site.project / name)
    site.pulumi("stack", "init")
    site.pulumi("config", "set", "--secret", "stackyard:registryPassword", PASSWORD)
    site.pulumi("up", "--yes", "--skip-preview")

    assert f"bin/stackyard bundle load {site.bundles.first}" in said
    assert {"image:app", "image:models", "image:qdrant"} <= set(loaded["pushed"])
    assert files_of(site.bundles.first) == {"wheels", "tools", "plugins"}
    pods = [
        pod
        for namespace in (f"rag-{STACK}", f"models-{STACK}")
        for pod in site.shell.objects("pods", "-n", namespace)
    ]
    images = {c["image"] for pod in pods for c in pod["spec"]["containers"]}
    assert len(pods) >= 5
    assert all(image.startswith(f"{site.registry}/") for image in images)
    assert all("@sha256:" in image for image in images)


def test_the_nodes_hold_what_the_lock_says_and_no_pod_runs_another(site: Site) -> None:
    differences = on_the_nodes(site, code=0)

    assert [each for each in differences if each["what"].endswith("is on no node")] == []


def on_the_nodes(site: Site, *, code: int) -> list[dict[str, Any]]:
    said = site.stackyard("bundle", "verify", "--cluster", "--json", code=code)
    found: list[dict[str, Any]] = json.loads(said)["differences"]
    return found


def test_the_same_pods_get_out_while_nothing_holds_them(site: Site, control: str) -> None:
    """The positive control of the next: the address is reached and the name resolved."""
    found = proof(site, control, code=1)

    for name in ("reach by address", "reach by name"):
        assert found[name]["outcome"] == "failed", found[name]
        assert len(found[name]["leaks"]) == 3
    assert "beside it: address reached" in found["reach by address"]["evidence"][0]
    assert found["images"]["outcome"] == "passed"


def test_nothing_leaves_by_node_rules_in_place_of_a_policy_engine_while_it_is_used(
    site: Site, control: str
) -> None:
    site.around.seal()
    answer_by(site.shell, corefile_of(site))
    site.around.left()

    report = json.loads(site.stackyard("accept", "--json"))
    during = site.around.left()
    found = proof(site, control, code=0)
    tried = site.around.left()

    assert report["passed"], report
    assert during == {"leaving": 0, "leaving_node": 0}
    assert all(each["outcome"] == "passed" for each in found.values()), found
    assert tried["leaving"] > 0, "the counter counts: the probes tried"
    assert tried["leaving_node"] == 0


def corefile_of(site: Site) -> str:
    from stackyard.airgap.verify import place_of
    from stackyard.project import Stack

    return corefile(place_of(Stack(STACK, site.project)).allowed, None, ())


def test_it_is_upgraded_by_a_bundle_of_differences_and_rolled_back_by_the_first(
    site: Site,
) -> None:
    first, second = site.bundles.first, site.bundles.second

    site.install(second)
    loaded = site.load(second)
    running = [each["what"] for each in on_the_nodes(site, code=1) if each["fails"]]
    after = {}
    for bundle in (second, first):
        site.install(bundle)
        site.pulumi("up", "--yes", "--skip-preview")
        after[bundle] = site.app()

    assert files_of(second) == set()
    assert sum(blobs_of(second).values()) < 100_000, "manifests, a config, signatures"
    assert loaded["pushed"] == ["image:app"]
    place = f"{site.registry}/stackyard/app"
    assert running
    assert all(site.bundles.app(first) in each for each in running), running
    for bundle in (second, first):
        assert after[bundle] == (f"{place}@{site.bundles.app(bundle)}", 1)
    assert site.bundles.app(first) != site.bundles.app(second)


def test_it_is_taken_down_from_there(site: Site) -> None:
    site.stackyard("down", "--delete-data", "--yes")

    left = site.shell.kubectl("get", "namespaces", "-o", "name")
    assert f"rag-{STACK}" not in left
    assert f"models-{STACK}" not in left
