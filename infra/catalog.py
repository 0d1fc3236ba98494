"""Every third-party image, pinned, one line each; the only place that names one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from infra.machine import EDGE, Machine
from infra.registry import Registry, parse, pin, rewrite
from infra.schema import Settings
from infra.schema.models import NIM_OPERATOR_VERSION, OPERATOR_VERSION, ROLES
from infra.schema.scaling import KEDA_VERSION


@dataclass(frozen=True)
class Chart:
    """A Helm chart in a repository of charts."""

    name: str
    version: str
    repository: str


# by digest where it is known; the others are exact tags, because no registry could be asked
KIND_NODE = (
    "kindest/node:v1.36.1@sha256:3489c7674813ba5d8b1a9977baea8a6e553784dab7b84759d1014dbd78f7ebd5"
)
PYTHON = "python:3.11-slim-bookworm"  # tag only: its digest was not seen yet
REGISTRY = "registry:3.0.0"  # tag only: its digest was not seen yet
QDRANT = "qdrant/qdrant:v1.19.0-unprivileged"  # tag only: its digest was not seen yet
# tags only: NVIDIA's registry could not be asked, so check them once with your key
NIM = {
    "llm": "nvcr.io/nim/meta/llama-3.1-8b-instruct:2.0.13",
    "embedding": "nvcr.io/nim/nvidia/llama-nemotron-embed-1b-v2:1.13.0",
    "ranking": "nvcr.io/nim/nvidia/llama-nemotron-rerank-1b-v2:1.10.0",
}
GPU_OPERATOR = Chart("gpu-operator", OPERATOR_VERSION, "https://helm.ngc.nvidia.com/nvidia")
NIM_OPERATOR = Chart("k8s-nim-operator", NIM_OPERATOR_VERSION, GPU_OPERATOR.repository)
# tag only: its chart in git names a development image in its place
NIM_OPERATOR_IMAGE = f"nvcr.io/nvidia/cloud-native/k8s-nim-operator:v{NIM_OPERATOR_VERSION}"
# key of the chart's values -> image as its version names it (values.yaml of v26.7.0); what is not
# deployed on Kubernetes without virtual machines is left out
GPU_OPERATOR_IMAGES = {
    "operator": "nvcr.io/nvidia/gpu-operator:v26.7.0",
    "validator": "nvcr.io/nvidia/gpu-operator:v26.7.0",
    "driver": "nvcr.io/nvidia/driver:595.91.07",  # the operator appends the node's system
    "driver.manager": "nvcr.io/nvidia/cloud-native/k8s-driver-manager:v0.12.0",
    "toolkit": "nvcr.io/nvidia/k8s/container-toolkit:v1.20.0",
    "devicePlugin": "nvcr.io/nvidia/k8s-device-plugin:v0.20.0",
    "gfd": "nvcr.io/nvidia/k8s-device-plugin:v0.20.0",
    "dcgmExporter": "nvcr.io/nvidia/k8s/dcgm-exporter:4.6.0-4.8.3-distroless",
    "migManager": "nvcr.io/nvidia/cloud-native/k8s-mig-manager:v0.15.0",
    "node-feature-discovery": "registry.k8s.io/nfd/node-feature-discovery:v0.19.0",
}
KEDA = Chart("keda", KEDA_VERSION, "https://kedacore.github.io/charts")
# key of the chart's `image` values -> image; tags only, no registry could be asked
KEDA_IMAGES = {
    "keda": f"ghcr.io/kedacore/keda:{KEDA_VERSION}",
    "metricsApiServer": f"ghcr.io/kedacore/keda-metrics-apiserver:{KEDA_VERSION}",
}


@dataclass(frozen=True)
class Catalog:
    """The images of one stack, already rewritten to its registry."""

    kind_node: str
    python: str
    registry: str
    qdrant: str | None  # None: no registry has it, so local/qdrant is built

    nim: dict[str, str] = field(default_factory=dict)  # role -> image, of the roles of kind nim
    gpu_operator: dict[str, str] = field(default_factory=dict)  # key of its values -> image
    keda: dict[str, str] = field(default_factory=dict)  # key of its values -> image
    nim_operator: str | None = None  # where the stack installs it
    sources: dict[str, str] = field(default_factory=dict)  # reference here -> where it comes from

    @property
    def qdrant_version(self) -> str | None:
        """Return the tag of Qdrant's image, which is its version."""
        return parse(self.qdrant).tag if self.qdrant is not None else None

    @property
    def third_party(self) -> dict[str, str]:
        """Return name and reference of what the cluster itself pulls."""
        return {
            **({"qdrant": self.qdrant} if self.qdrant else {}),
            **{f"nim-{role}": image for role, image in self.nim.items()},
            **{f"gpu-operator-{key}": image for key, image in self.gpu_operator.items()},
            **{f"keda-{key}": image for key, image in self.keda.items()},
            **({"nim-operator": self.nim_operator} if self.nim_operator else {}),
        }


def build_catalog(
    machine: Machine,
    mirror: Registry | None,
    *,
    nim: Mapping[str, str] = MappingProxyType({}),
    operator: Collection[str] = (),
    keda: bool = False,
    nim_operator: bool = False,
    digests: Mapping[str, str] = MappingProxyType({}),
) -> Catalog:
    """Return the pinned images, or what this machine has in their place.

    `nim` is the image of each role on GPUs, `operator` the keys of the GPU operator's values,
    `keda` whether KEDA is installed, `digests` what a bundle's lock knows.
    """
    scaler = KEDA_IMAGES if keda else {}

    def placed(image: str) -> str:
        return rewrite(pin(image, digests), mirror)

    qdrant = machine.qdrant_image or placed(QDRANT)
    return Catalog(
        kind_node=machine.node_image or KIND_NODE,
        python=machine.base_image or placed(PYTHON),
        registry=machine.registry_image or REGISTRY,
        qdrant=None if qdrant == EDGE else qdrant,
        nim={role: placed(image) for role, image in nim.items()},
        gpu_operator={key: placed(GPU_OPERATOR_IMAGES[key]) for key in operator},
        keda={key: placed(image) for key, image in scaler.items()},
        nim_operator=placed(NIM_OPERATOR_IMAGE) if nim_operator else None,
        sources={
            placed(image): image
            for image in [
                PYTHON,
                QDRANT,
                *nim.values(),
                *(GPU_OPERATOR_IMAGES[key] for key in operator),
                *scaler.values(),
                *((NIM_OPERATOR_IMAGE,) if nim_operator else ()),
            ]
            if mirror is not None
        },
    )


def nim_images(settings: Settings) -> dict[str, str]:
    """Return the image of each role on GPUs as the stack or this catalog names it."""
    models = settings.models
    return {
        role: models.role(role).image or NIM[role]
        for role in ROLES
        if models.kind_of(models.role(role)) == "nim"
    }


def digest_of(reference: str) -> str | None:
    """Return the digest of a reference that is pinned by one."""
    return parse(reference).digest
