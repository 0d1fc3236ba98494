"""A sealed stack from a sealed machine: deployed, proven, used, upgraded, rolled back.

The registry is Debian's with TLS and a password, over the images that the journey's stack has. The
machine is a network namespace that reaches the registry and the API server. Where the cluster has
no policy engine, rules of nftables on its node stand in for one, and the test's name says so.
"""

import datetime
import ipaddress
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.catalog import QDRANT
from stackyard.airgap.node_config import CA, corefile, hosts_toml
from tests.e2e.outside import ADDRESS, NAME, Outside, Shell, answer_by, dns, outside
from tests.e2e.team import PROGRAM
from tests.e2e.yard import ROOT, Yard
from tools.sealed.docker import namespace_name
from tools.standin.install import plugin_directory

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]

STACK, USER, PASSWORD = "sealed", "robot", "of-the-robot"
# bcrypt of PASSWORD: a registry takes no other
HTPASSWD = "robot:$2y$05$abcdefghijklmnopqrstuuylZdRurWKXKeZUfhe3i7KPdp/FI4yYS\n"
REGISTRY = "stackyard-sealed-registry"
NODE_FILES = "/etc/containerd/certs.d"


@dataclass(frozen=True)
class Site:
    """A sealed stack, and the machine that it is deployed from."""

    shell: Shell
    inventory: dict[str, dict[str, str]]  # of the journey's stack, by name
    journey: str  # its name
    around: Outside
    project: Path
    registry: str  # HOST:PORT
    environment: dict[str, str]

    def run(self, *command: str, code: int = 0) -> str:
        """Run a command on the sealed machine."""
        done = subprocess.run(
            ["nsenter", f"--net=/run/netns/{self.around.deployer}", *command],
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=1500,
            check=False,
        )
        assert done.returncode == code, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def pulumi(self, *arguments: str) -> str:
        return self.run("pulumi", *arguments, "--stack", STACK, "--non-interactive")

    def stackyard(self, *arguments: str, code: int = 0) -> str:
        words = (sys.executable, "-m", "stackyard", *arguments, "--stack", STACK)
        return self.run(*words, code=code)

    def lock(self, app: str) -> None:
        """Say which images the bundle has; `app` is the digest of the service's."""
        known = self.inventory
        names = [name for name in ("models", "qdrant") if name in known]
        own: dict[str, str] = {name: known[name]["digest"] for name in names}
        own["app"] = app
        items = [
            {
                "kind": "image",
                "name": name,
                "reference": f"stackyard.invalid/stackyard/{name}:1",
                "digest": digest,
            }
            for name, digest in own.items()
        ]
        qdrant = {"kind": "image", "name": "q", "reference": QDRANT, "digest": "sha256:" + "1" * 64}
        (self.project / "bundle.lock").write_text(json.dumps({"items": [*items, qdrant]}))


def authority(folder: Path, address: str) -> None:
    """Write ca.crt, and tls.crt and tls.key for an address."""
    key, ca_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "The site's own authority")])
    now = datetime.datetime.now(datetime.UTC)

    def certificate(
        subject: x509.Name, public: ec.EllipticCurvePublicKey, *, is_ca: bool
    ) -> x509.Certificate:
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        if not is_ca:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
            made = made.add_extension(names, critical=False)
        return made.sign(ca_key, hashes.SHA256())

    pem = serialization.Encoding.PEM
    own = certificate(issuer, ca_key.public_key(), is_ca=True)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
    (folder / "ca.crt").write_bytes(own.public_bytes(pem))
    (folder / "tls.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    # last: it is what the registry waits for
    (folder / "tls.new").write_bytes(
        certificate(name, key.public_key(), is_ca=False).public_bytes(pem)
    )
    (folder / "tls.new").rename(folder / "tls.crt")


@pytest.fixture(scope="module")
def shell(yard: Yard) -> Shell:
    return Shell(yard.shell_environment())


@pytest.fixture(scope="module")
def registry(
    yard: Yard, shell: Shell, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """The site's registry: TLS, a password, and the images that the journey's has; its address."""
    folder = tmp_path_factory.mktemp("registry")
    (folder / "htpasswd").write_text(HTPASSWD)
    theirs = f"stackyard-{yard.stack}-registry"
    image = shell.docker("inspect", "--format", "{{.Config.Image}}", theirs).strip()
    settings = {
        "REGISTRY_HTTP_TLS_CERTIFICATE": "/site/tls.crt",
        "REGISTRY_HTTP_TLS_KEY": "/site/tls.key",
        "REGISTRY_AUTH_HTPASSWD_REALM": "site",
        "REGISTRY_AUTH_HTPASSWD_PATH": "/site/htpasswd",
    }
    # its address is known once it runs, and its certificate names it
    serve = (
        "until [ -e /site/tls.crt ]; do sleep 0.2; done; "
        "exec docker-registry serve /etc/docker/registry/config.yml"
    )
    try:
        shell.docker(
            *("run", "--detach", "--name", REGISTRY, "--network", "kind"),
            *("--volumes-from", theirs, "--volume", f"{folder}:/site:ro"),
            *(word for key, value in settings.items() for word in ("--env", f"{key}={value}")),
            *("--entrypoint", "/bin/sh", image, "-c", serve),
        )
        where = "{{.NetworkSettings.Networks.kind.IPAddress}}"
        address = shell.docker("inspect", "--format", where, REGISTRY).strip()
        authority(folder, address)
        yield f"{address}:5000", folder
    finally:
        shell.docker("rm", "--force", REGISTRY)


@pytest.fixture(scope="module")
def site(
    yard: Yard,
    shell: Shell,
    registry: tuple[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    host, folder = registry
    namespace = docker_namespace(yard)
    project = tmp_path_factory.mktemp("sealed")
    node = f"stackyard-{yard.stack}-control-plane"
    inventory = {each["name"]: each for each in yard.outputs()["inventory"]}
    trust_on_the_node(shell, node, host, folder)
    before = dns(shell)
    with outside(shell, node, namespace, host.partition(":")[0]) as around:
        environment = prepare(shell, around, project, folder, host)
        site = Site(shell, inventory, yard.stack, around, project, host, environment)
        site.lock(inventory["app"]["digest"])
        site.run("pulumi", "stack", "init", STACK)
        site.pulumi("config", "set", "--secret", "stackyard:registryPassword", PASSWORD)
        # a cluster that asks outside, as clusters do
        answer_by(shell, before.replace("/etc/resolv.conf", ADDRESS))
        try:
            yield site
        finally:
            answer_by(shell, before)
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


def prepare(
    shell: Shell, around: Outside, project: Path, folder: Path, host: str
) -> dict[str, str]:
    """Write the sealed stack's files, and return the environment of its machine."""
    own = shell.environment
    config = yaml.safe_load(Path(own["KUBECONFIG"]).read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://{around.node_ip}:6443"
    (project / "kubeconfig").write_text(json.dumps(config))
    venv = Path(sys.executable).parents[1]
    text = (ROOT / "Pulumi.yaml").read_text()
    (project / "Pulumi.yaml").write_text(text.replace("virtualenv: .venv", f"virtualenv: {venv}"))
    (project / "__main__.py").write_text(PROGRAM)
    (project / "ca.crt").write_text((folder / "ca.crt").read_text())
    settings: dict[str, Any] = {
        "airgapped": True,
        "cluster": {
            "kind": "existing",
            "kubeconfig": str(project / "kubeconfig"),
            "context": config["current-context"],
            "storageClass": "stackyard",
        },
        "registry": {
            "host": host,
            "mirrored": True,
            "username": USER,
            "ca": "ca.crt",
            "lock": "bundle.lock",
        },
    }
    given = {f"stackyard:{noun}": value for noun, value in settings.items()}
    (project / f"Pulumi.{STACK}.yaml").write_text(json.dumps({"config": given}))
    return own | {
        "PATH": f"{plugin_directory()}:{own['PATH']}",
        "PYTHONPATH": str(ROOT),
        "KUBECONFIG": "/nowhere",
        "STACKYARD_STANDIN_ANY_CLUSTER": "1",  # its address is not loopback here
    }


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

    said = site.run(sys.executable, "-c", script, *wanted).splitlines()

    assert said[:2] == ["reached", "reached"]
    assert set(said[2:]) == {"Network is unreachable"}


def test_it_deploys_from_the_registry_alone(site: Site) -> None:
    site.pulumi("up", "--yes", "--skip-preview")

    pods = [
        pod
        for namespace in (f"rag-{STACK}", f"models-{STACK}")
        for pod in site.shell.objects("pods", "-n", namespace)
    ]
    images = {c["image"] for pod in pods for c in pod["spec"]["containers"]}
    assert len(pods) >= 5
    assert all(image.startswith(f"{site.registry}/stackyard/") for image in images)
    assert all("@sha256:" in image for image in images)


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


def test_it_is_upgraded_and_rolled_back_by_its_lock(site: Site) -> None:
    first = site.inventory["app"]["digest"]
    second = changed_image(site.shell, site.inventory["app"]["image"])

    for digest in (second, first):
        site.lock(digest)
        site.pulumi("up", "--yes", "--skip-preview")
        (app,) = [
            each
            for each in site.shell.objects("deployment", "-n", f"rag-{STACK}")
            if each["metadata"]["name"] == "rag"
        ]
        image = app["spec"]["template"]["spec"]["containers"][0]["image"]
        assert image == f"{site.registry}/stackyard/app@{digest}"
        assert app["status"]["readyReplicas"] == 1

    report = json.loads(site.stackyard("accept", "--json"))
    assert report["passed"], report


def changed_image(shell: Shell, image: str) -> str:
    """Push the app's image with one small layer more, and return its digest."""
    tag = f"{image.partition('@')[0]}:second"
    shell.docker("build", "--tag", tag, "-", given=f"FROM {image}\nLABEL bundle=second\n")
    said = shell.docker("push", tag)
    return said.partition("digest: ")[2].split()[0]
