"""A sealed stack's objects pass; a leak of any kind that is planted in them is found and named."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.catalog import KEDA_IMAGES
from stackyard.airgap.report import as_json, page
from stackyard.airgap.static import examine
from stackyard.airgap.verify import chart_name, dockerfiles, place_of
from stackyard.bundle.evaluated import evaluate
from stackyard.project import Stack
from tests.infra.sealed import digest, sealed

Json = dict[str, Any]
CHART: list[Json] = [
    {
        "kind": "ClusterPolicy",
        "metadata": {"name": "cluster-policy"},
        "spec": {
            "toolkit": {
                "enabled": True,
                "repository": "registry.corp.example/rag/nvidia/k8s",
                "image": "container-toolkit",
                "version": "v1.20.0@sha256:" + "a" * 64,
            }
        },
    },
    {
        "kind": "Deployment",
        "metadata": {"name": "gpu-operator", "namespace": "gpu-operator"},
        "spec": {
            "template": {
                "spec": {
                    "containers": [
                        {"name": "o", "image": "registry.corp.example/rag/o@sha256:" + "b" * 64}
                    ]
                }
            }
        },
    },
]
Plant = Callable[["Site"], None]


class Site:
    """What a proof looks at, to plant a leak in."""

    def __init__(self, stack: Stack, found: Json) -> None:
        self.place = place_of(stack)
        self.resources = copy.deepcopy(found["resources"])
        self.inventory = copy.deepcopy(found["exports"]["inventory"])
        self.charts = {"gpu-operator-release": copy.deepcopy(CHART)}
        self.dockerfiles = dockerfiles()

    def __getitem__(self, name: str) -> Json:
        (found,) = [each for each in self.resources if each["name"] == name]
        inputs: Json = found["inputs"]
        return inputs

    def pod(self, name: str) -> Json:
        spec: Json = self[name]["spec"]["template"]["spec"]
        return spec

    def container(self, name: str) -> Json:
        first: Json = self.pod(name)["containers"][0]
        return first

    def env(self, name: str, variable: str, value: str) -> None:
        env = self.container(name)["env"]
        env[:] = [each for each in env if each["name"] != variable]
        env.append({"name": variable, "value": value})

    def add(self, kind: str, name: str, inputs: Json) -> None:
        whole = {"metadata": {"name": name, "namespace": "rag-sealed"}, **inputs}
        self.resources.append({"type": f"kubernetes:v1:{kind}", "name": name, "inputs": whole})

    def report(self) -> Json:
        checks = examine(self.resources, self.inventory, self.place, self.charts, self.dockerfiles)
        return as_json("sealed", "sha256:0", checks)


def evaluated_in(folder: Path, **changed: Any) -> tuple[Stack, Json]:
    settings = {f"stackyard:{key}": value for key, value in sealed(folder, **changed).items()}
    lock = json.loads((folder / "bundle.lock").read_text())
    lock["items"] += [
        {"kind": "image", "name": f"keda-{key}", "reference": image, "digest": digest(200)}
        for key, image in KEDA_IMAGES.items()
    ]
    (folder / "bundle.lock").write_text(json.dumps(lock))
    settings["stackyard:registryPassword"] = {"secure": "v1:x"}
    (folder / "Pulumi.sealed.yaml").write_text(yaml.safe_dump({"config": settings}))
    stack = Stack("sealed", folder)
    return stack, evaluate(stack, listing=False)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Stack, Json]:
    return evaluated_in(tmp_path_factory.mktemp("sealed"))


@pytest.fixture
def site(evaluated: tuple[Stack, Json]) -> Site:
    return Site(*evaluated)


def test_a_sealed_stack_passes_every_check_with_evidence(site: Site) -> None:
    report = site.report()

    assert report["passed"], [c for c in report["checks"] if c["outcome"] != "passed"]
    assert report["leaks"] == 0
    assert all(check["evidence"] for check in report["checks"])


def _egress(site: Site, rule: Json) -> None:
    site["network-rag-to-qdrant-egress"]["spec"]["egress"] = [rule]


def _drop(site: Site, name: str) -> None:
    site.resources = [each for each in site.resources if each["name"] != name]


def _dockerfile(line: str) -> Plant:
    def plant(site: Site) -> None:
        site.dockerfiles["app/Dockerfile"] += line + "\n"

    return plant


# kind of leak -> how it is planted, the check that finds it, and what it says of it
LEAKS: dict[str, tuple[Plant, str, str]] = {
    "a container's image": (
        lambda s: s.container("rag-deployment").update(image="docker.io/library/redis:7"),
        "images",
        "image 'docker.io/library/redis:7' is not in",
    ),
    "an init container's image": (
        lambda s: s.pod("rag-deployment").update(
            initContainers=[{"name": "i", "image": "busybox:1.36"}]
        ),
        "images",
        "image 'busybox:1.36' is not in",
    ),
    "a Job's image": (
        lambda s: s.container("llm-import").update(image="ghcr.io/oras-project/oras:v1"),
        "images",
        "ghcr.io/oras-project/oras:v1",
    ),
    "the registry's host with another path": (
        lambda s: s.container("rag-deployment").update(image="registry.corp.example/other/app:1"),
        "images",
        "is not in registry.corp.example/rag/",
    ),
    "an image without a digest": (
        lambda s: s.container("rag-deployment").update(image="registry.corp.example/rag/app:1"),
        "images",
        "has no digest",
    ),
    "an image that the operator makes": (
        lambda s: s.inventory.append(
            {"name": "gpu-operator-mig", "image": "nvcr.io/nvidia/k8s-mig-manager:v1"}
        ),
        "images",
        "inventory gpu-operator-mig",
    ),
    "an image in an operator's resource": (
        lambda s: s.charts["gpu-operator-release"][0]["spec"]["toolkit"].update(
            repository="nvcr.io/nvidia/k8s"
        ),
        "images",
        "nvcr.io/nvidia/k8s/container-toolkit",
    ),
    "an image in a chart's template": (
        lambda s: s.charts["gpu-operator-release"][1]["spec"]["template"]["spec"]["containers"][
            0
        ].update(image="registry.k8s.io/nfd/node-feature-discovery:v0.19.0"),
        "images",
        "registry.k8s.io/nfd",
    ),
    "an address in a chart's template": (
        lambda s: s.charts["gpu-operator-release"].append(
            {
                "kind": "ConfigMap",
                "metadata": {"name": "r"},
                "data": {"r": "https://yum.example.org/x"},
            }
        ),
        "addresses",
        "https://yum.example.org/x",
    ),
    "a URL in a variable": (
        lambda s: s.env("llm-deployment", "HF_ENDPOINT", "https://huggingface.co"),
        "addresses",
        "https://huggingface.co",
    ),
    "a bare host in a variable": (
        lambda s: s.env("rag-deployment", "RAG_TELEMETRIC", "collector.vendor.com:4317"),
        "hosts",
        "collector.vendor.com",
    ),
    "an address by number in a variable": (
        lambda s: s.env("rag-deployment", "UPSTREAM", "8.8.8.8:53"),
        "hosts",
        "8.8.8.8",
    ),
    "an argument": (
        lambda s: s.container("llm-deployment").update(args=["--repo=s3.amazonaws.com"]),
        "hosts",
        "s3.amazonaws.com",
    ),
    "a command": (
        lambda s: s.container("rag-deployment").update(
            command=["sh", "-c", "ping -c1 one.one.one.one"]
        ),
        "hosts",
        "one.one.one.one",
    ),
    "a name of DNS in a configuration": (
        lambda s: s.add("ConfigMap", "c", {"data": {"c": "upstream = resolver.isp.net"}}),
        "hosts",
        "resolver.isp.net",
    ),
    "a resolver of a pod's own": (
        lambda s: s.pod("rag-deployment").update(dnsConfig={"nameservers": ["1.1.1.1"]}),
        "hosts",
        "1.1.1.1",
    ),
    "a host alias": (
        lambda s: s.pod("rag-deployment").update(
            hostAliases=[{"ip": "93.184.216.34", "hostnames": ["registry.corp.example"]}]
        ),
        "hosts",
        "93.184.216.34",
    ),
    "an external name": (
        lambda s: s.add(
            "Service", "out", {"spec": {"type": "ExternalName", "externalName": "api.openai.com"}}
        ),
        "ways out",
        "is another name for api.openai.com",
    ),
    "a policy to anywhere": (
        lambda s: _egress(s, {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}),
        "ways out",
        "lets pods out to 0.0.0.0/0",
    ),
    "a policy to everybody": (
        lambda s: _egress(s, {"ports": [{"port": 443}]}),
        "ways out",
        "lets pods out to everybody",
    ),
    "a namespace without a denial": (
        lambda s: _drop(s, "network-rag-deny"),
        "ways out",
        "rag-sealed: has no policy",
    ),
    "a pod on the node's network": (
        lambda s: s.pod("rag-deployment").update(hostNetwork=True),
        "ways out",
        "is on the node's network",
    ),
    "a key in a variable": (
        lambda s: s.env("llm-deployment", "NGC_API_KEY", "nvapi-x"),
        "keys",
        "has NGC_API_KEY",
    ),
    "a key in a Secret": (
        lambda s: s.add("Secret", "k", {"stringData": {"NGC_API_KEY": "[secret]"}}),
        "keys",
        "has NGC_API_KEY",
    ),
    "telemetry that is on": (
        lambda s: s.env("llm-deployment", "NIM_TELEMETRY_MODE", "1"),
        "telemetry",
        "NIM_TELEMETRY_MODE is '1'",
    ),
    "telemetry that is on where nobody says": (
        lambda s: s.container("qdrant-statefulset")["env"].clear(),
        "telemetry",
        "QDRANT__TELEMETRY_DISABLED is not set",
    ),
    "a chart of a public repository": (
        lambda s: s["gpu-operator-release"].update(
            repositoryOpts={"repo": "https://helm.ngc.nvidia.com/nvidia"}
        ),
        "charts",
        "comes from https://helm.ngc.nvidia.com/nvidia",
    ),
    "a chart of another registry": (
        lambda s: s["gpu-operator-release"].update(chart="oci://ghcr.io/nvidia/gpu-operator"),
        "charts",
        "is not in registry.corp.example",
    ),
    "an image that `up` would build": (
        lambda s: s.resources.append({"type": "d:Image", "name": "app-image", "inputs": {}}),
        "builds",
        "is built or copied from outside",
    ),
    "a Dockerfile's base": (_dockerfile("FROM debian:12"), "Dockerfiles", "takes another base"),
    "a Dockerfile's download": (
        _dockerfile("RUN curl -O https://get.example.com/x"),
        "Dockerfiles",
        "names https://get.example.com/x",
    ),
    "a Dockerfile's package": (
        _dockerfile("RUN pip install requests"),
        "Dockerfiles",
        "fetches by pip install",
    ),
}


@pytest.mark.parametrize("kind", LEAKS)
def test_a_planted_leak_is_found(site: Site, kind: str) -> None:
    plant, check, said = LEAKS[kind]

    plant(site)
    report = site.report()

    assert not report["passed"]
    found = {
        each["check"]: [f"{leak['where']}: {leak['what']}" for leak in each["leaks"]]
        for each in report["checks"]
    }
    assert any(said in leak for leak in found[check]), found


def test_a_chart_that_was_not_rendered_is_no_pass(site: Site) -> None:
    site.charts.clear()

    report = site.report()

    (charts,) = [each for each in report["checks"] if each["check"] == "charts"]
    assert charts["outcome"] == "not examined"
    assert "gpu-operator-release" in charts["unexamined"]
    assert not report["passed"]


def test_the_page_shows_each_check_and_leak_and_escapes_what_it_shows(site: Site) -> None:
    site.env("rag-deployment", "X", "https://evil.com/<script>")

    shown = page(json.loads(json.dumps(site.report())))

    assert "NOT PROVEN" in shown
    assert "https://evil.com/" in shown
    assert "<script>" not in shown
    assert "Signature" in shown


def test_every_dockerfile_of_the_program_is_read() -> None:
    root = Path(__file__).parents[3]

    there = {
        str(path.relative_to(root))
        for folder in ("app", "local", "infra")
        for path in (root / folder).rglob("Dockerfile")
    }
    assert dockerfiles().keys() == there


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Stack, Json]:
    """A sealed stack whose llm KEDA scales, KEDA from the registry."""
    llm = {"profile": "p1", "cacheAccess": "ReadWriteMany", "scaling": {"max": 3}}
    models = {"kind": "nim", "llm": llm, **{r: {"profile": "p1"} for r in ("embedding", "ranking")}}
    chart = {"chart": "oci://registry.corp.example/rag/charts/keda"}
    return evaluated_in(tmp_path_factory.mktemp("scaled"), models=models, keda=chart)


@pytest.fixture
def scaled_site(scaled: tuple[Stack, Json]) -> Site:
    site = Site(*scaled)
    image = f"registry.corp.example/rag/kedacore/keda@{digest(200)}"
    pod = {"containers": [{"name": "keda-operator", "image": image}]}
    meta = {"name": "keda-operator", "namespace": "keda"}
    site.charts["keda-release"] = [
        {"kind": "Deployment", "metadata": meta, "spec": {"template": {"spec": pod}}}
    ]
    return site


def test_a_sealed_stack_that_keda_scales_passes_with_kedas_own_namespace_named(
    scaled_site: Site,
) -> None:
    report = scaled_site.report()

    assert report["passed"], [c for c in report["checks"] if c["outcome"] != "passed"]
    (ways,) = [each for each in report["checks"] if each["check"] == "ways out"]
    assert "keda: a chart's own, without a policy of ours" in ways["evidence"]


KEDA_LEAKS: dict[str, tuple[Plant, str, str]] = {
    "an image of KEDA's chart": (
        lambda s: s.charts["keda-release"][0]["spec"]["template"]["spec"]["containers"][0].update(
            image="ghcr.io/kedacore/keda:2.20.2"
        ),
        "images",
        "ghcr.io/kedacore/keda:2.20.2",
    ),
    "metrics from outside": (
        lambda s: s["llm-scaling"]["spec"]["triggers"][0]["metadata"].update(
            url="http://metrics.vendor.com/v1"
        ),
        "addresses",
        "http://metrics.vendor.com/v1",
    ),
    "metrics from a Service that is not there": (
        lambda s: s["llm-scaling"]["spec"]["triggers"][0]["metadata"].update(
            url="http://llm.elsewhere:8000/v1"
        ),
        "addresses",
        "http://llm.elsewhere:8000/v1",
    ),
    "KEDA's chart from its site": (
        lambda s: s["keda-release"].update(
            repositoryOpts={"repo": "https://kedacore.github.io/charts"}
        ),
        "charts",
        "comes from https://kedacore.github.io/charts",
    ),
}


@pytest.mark.parametrize("kind", KEDA_LEAKS)
def test_a_leak_that_is_planted_beside_keda_is_found(scaled_site: Site, kind: str) -> None:
    plant, check, said = KEDA_LEAKS[kind]

    plant(scaled_site)
    report = scaled_site.report()

    found = {
        each["check"]: [f"{leak['where']}: {leak['what']}" for leak in each["leaks"]]
        for each in report["checks"]
    }
    assert any(said in leak for leak in found[check]), found


@pytest.mark.parametrize(
    ("chart", "name"),
    [
        ("oci://registry.corp.example/rag/charts/keda", "keda"),
        ("./keda-2.20.2.tgz", "keda"),
        ("gpu-operator-v26.7.0.tgz", "gpu-operator"),
        ("gpu-operator", "gpu-operator"),
    ],
)
def test_a_chart_has_the_same_name_by_address_and_by_file(chart: str, name: str) -> None:
    assert chart_name(chart) == name
