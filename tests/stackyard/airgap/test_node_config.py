"""What nodes get: mirrors that never fall back to the public ones, and a DNS of the site only."""

import io
import json
import re
import tarfile
import tomllib
from pathlib import Path

import pytest
import yaml

from infra.reach import AllowList
from stackyard.airgap.node_config import CA, PUBLIC, corefile, hosts_toml, registries_yaml
from tests.infra.sealed import sealed
from tests.stackyard.conftest import Invoke

HOST = "registry.corp.example:5000"


@pytest.mark.parametrize("prefix", ["rag", None])
def test_containerd_takes_every_name_from_the_registry_and_never_goes_on(
    prefix: str | None,
) -> None:
    files = hosts_toml(PUBLIC, HOST, prefix, ca=True)

    place = f"https://{HOST}/v2" + (f"/{prefix}" if prefix else "")
    for host in (*PUBLIC, "_default"):
        read = tomllib.loads(files[f"/etc/containerd/certs.d/{host}/hosts.toml"])
        assert read["server"] == place, (
            "containerd tries the server last, by default the public one"
        )
        ((url, mirror),) = read["host"].items()
        assert url == place
        assert mirror["override_path"] is True
        assert mirror["ca"] == read["ca"] == CA
    own = tomllib.loads(files[f"/etc/containerd/certs.d/{HOST}/hosts.toml"])
    assert own == {"server": f"https://{HOST}", "ca": CA}


def test_without_an_authority_of_its_own_the_system_is_trusted() -> None:
    files = hosts_toml(["nvcr.io"], HOST, None, ca=False)

    assert "ca" not in tomllib.loads(files["/etc/containerd/certs.d/nvcr.io/hosts.toml"])
    assert f"/etc/containerd/certs.d/{HOST}/hosts.toml" not in files


def test_rke2_and_k3s_rewrite_every_name_and_keep_the_registrys_own() -> None:
    read = yaml.safe_load(registries_yaml(PUBLIC, HOST, "rag", ca=True, username="robot"))

    assert read["mirrors"]["nvcr.io"] == {
        "endpoint": [f"https://{HOST}"],
        "rewrite": {"^(.*)$": "rag/$1"},
    }
    assert read["mirrors"][HOST] == {"endpoint": [f"https://{HOST}"]}
    assert "*" in read["mirrors"]
    access = read["configs"][HOST]
    assert access["tls"] == {"ca_file": CA}
    assert access["auth"]["password"] == "PASSWORD", "no secret is printed"


def test_the_corefile_answers_for_the_cluster_and_the_allow_list_only() -> None:
    allowed = AllowList((HOST, "*.models.corp.example", "10.0.0.0/8", "10.1.1.1"))

    text = corefile(allowed, "10.0.0.53", ["10.0.0.10 registry.corp.example"])

    zones = re.findall(r"^(\S.*) \{$", text, re.M)
    assert zones == [
        "cluster.local:53 in-addr.arpa:53 ip6.arpa:53",
        "registry.corp.example:53",
        "models.corp.example:53",
    ], "none for the root: any other name is REFUSED"
    assert text.count("forward . 10.0.0.53") == 1, "the registry is answered by itself"
    assert "10.0.0.10 registry.corp.example" in text


@pytest.fixture
def stack(project: Path) -> str:
    config = {f"stackyard:{key}": value for key, value in sealed(project).items()}
    (project / "Pulumi.sealed.yaml").write_text(yaml.safe_dump({"config": config}))
    return "sealed"


def test_the_files_are_written_below_a_folder(stack: str, invoke: Invoke, tmp_path: Path) -> None:
    done = invoke("airgap", "node-config", "--stack", stack, "-o", tmp_path / "node")

    assert done.exit_code == 0, done.output
    file = tmp_path / "node/etc/containerd/certs.d/nvcr.io/hosts.toml"
    assert tomllib.loads(file.read_text())["server"] == "https://registry.corp.example/v2/rag"


def test_a_form_that_is_none_is_refused(stack: str, invoke: Invoke) -> None:
    assert invoke("airgap", "node-config", "--stack", stack, "--form", "x").exit_code == 2


def test_a_stack_that_is_not_sealed_is_refused(project: Path, invoke: Invoke) -> None:
    for verb in ("verify", "node-config"):
        done = invoke("airgap", verb, "--stack", "dev")

        assert done.exit_code == 1
        assert "stack dev is not sealed: stackyard:airgapped is not true" in done.stderr
        assert "hint: pulumi config set --stack dev stackyard:airgapped true" in done.stderr


def test_verify_prints_a_report_and_fails_where_a_chart_was_not_read(
    stack: str, invoke: Invoke, tmp_path: Path
) -> None:
    done = invoke("airgap", "verify", "--stack", stack, "--json", "--report", tmp_path / "r")

    report = json.loads(done.stdout)
    assert done.exit_code == 1
    assert report["leaks"] == 0
    assert {c["check"] for c in report["checks"] if c["outcome"] != "passed"} == {"charts"}
    assert (tmp_path / "r/airgap.html").read_text().startswith("<!doctype html>")
    assert json.loads((tmp_path / "r/airgap.json").read_text()) == report


# a chart as the GPU operator's is: what its operator makes stands in a resource of its own
POLICY = """apiVersion: nvidia.com/v1
kind: ClusterPolicy
metadata: {name: cluster-policy}
spec:
  dcgmExporter:
    repository: {{ .Values.dcgmExporter.repository }}
    image: dcgm-exporter
    version: {{ .Values.dcgmExporter.version | quote }}
"""
LEAK = """apiVersion: v1
kind: ConfigMap
metadata: {name: leak}
data:
  repo: https://yum.example.org/{{ .Chart.Version }}
---
apiVersion: batch/v1
kind: Job
metadata: {name: leak, annotations: {"helm.sh/hook": post-install}}
spec: {template: {spec: {containers: [{name: c, image: "quay.io/vendor/hook:2"}]}}}
"""


def pack(file: Path, files: dict[str, str]) -> Path:
    about = "apiVersion: v2\nname: gpu-operator\nversion: 26.7.0\n"
    with tarfile.open(file, "w:gz") as archive:
        for name, text in {"Chart.yaml": about, **files}.items():
            member = tarfile.TarInfo(f"gpu-operator/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return file


@pytest.mark.integration
def test_a_chart_is_rendered_as_the_stack_installs_it_and_its_leaks_are_found(
    stack: str, invoke: Invoke, tmp_path: Path
) -> None:
    """By the real helm; the GPU operator's own chart is read by tests/stacks/test_chart.py."""
    whole = {"templates/policy.yaml": POLICY, "templates/leak.yaml": LEAK}
    chart = pack(tmp_path / "gpu-operator-v26.7.0.tgz", whole)

    done = invoke("airgap", "verify", "--stack", stack, "--json", "--chart", chart)

    checks = {each["check"]: each for each in json.loads(done.stdout)["checks"]}
    leaks = [leak for each in checks.values() for leak in each["leaks"]]
    assert done.exit_code == 1
    assert checks["charts"]["outcome"] == "passed"
    assert "gpu-operator-release: 3 objects rendered" in checks["charts"]["evidence"]
    assert [(leak["where"], leak["what"]) for leak in leaks] == [
        (
            "gpu-operator-release: Job leak",
            "image 'quay.io/vendor/hook:2' is not in registry.corp.example/rag/",
        ),
        (
            "gpu-operator-release: ConfigMap leak",
            "data.repo names 'https://yum.example.org/26.7.0'",
        ),
    ]
