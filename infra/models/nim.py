"""Model roles on GPUs in the cluster: NVIDIA's NIMs, or any image of the same shape."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from infra.clusters.cluster import GpuPlace
from infra.components.filling_job import CACHE
from infra.components.generated_certificate import GeneratedCertificate
from infra.components.ngc_secrets import HOST as NVIDIA_HOST
from infra.components.nim import PORT, Nim, NimArgs
from infra.components.nim_service import NimService
from infra.components.pod import Resources
from infra.components.quota import mebibytes
from infra.components.scaling import Scaling
from infra.components.scope import Scope
from infra.models.endpoint import ModelEndpoint
from infra.models.hosted import DIMENSION, MODELS
from infra.registry import parse
from infra.schema import EmbeddingSettings, ModelSettings

STORAGE = "50Gi"
# bf16 files of the catalog's models, where their size is published
WEIGHTS_MIB = {"llm": 15_317}


@dataclass(frozen=True)
class Size:
    """What a role asks for where its settings do not say."""

    cpu: str
    memory: str
    shared_memory: str
    startup_minutes: int


LARGE, SMALL = Size("4", "24Gi", "8Gi", 30), Size("2", "8Gi", "1Gi", 15)
# billions of parameters in a model's name: -8b-, -8x7b-; -a12b is how many of them are active
BILLIONS = re.compile(r"(?<![a-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)b(?![a-z0-9])")
BILLIONS_IN_SIZE, MOST_MINUTES = 8, 240
CPU_LIMIT = "32"  # a NIM makes its threads by the node's cores
OFFLINE = {"llm": "NIM_DISABLE_MODEL_DOWNLOAD"}
# nothing is reported, whether or not the network would let it
QUIET = {"DO_NOT_TRACK": "1", "NIM_TELEMETRY_MODE": "0"}


@dataclass(frozen=True, kw_only=True)
class NimPlace:
    """Where NIMs go, and by which keys their images and files come."""

    scope: Scope
    gpu: GpuPlace
    images: dict[str, str]  # of each role, already rewritten to the stack's registry
    key: str | None
    pull: str | None  # name of the Secret of NVIDIA's registry, where images come from there
    after: Sequence[pulumi.Resource]
    artefacts: Mapping[str, str]  # of the roles whose files are in the private registry
    importer: pulumi.Output[str] | None  # the image that pulls those
    by_operator: bool = False  # NVIDIA's NIM operator makes the pods


def nim_model(
    role: str,
    settings: ModelSettings,
    place: NimPlace,
    scaling: Scaling | None,
    certificate: GeneratedCertificate | None,
    opts: pulumi.ResourceOptions,
) -> ModelEndpoint:
    """Serve a role on GPUs."""
    size = size_of(role)
    model = settings.model or MODELS[role]
    dimension = settings.dimension if isinstance(settings, EmbeddingSettings) else None
    served = NimService if place.by_operator else Nim
    server = served(
        role,
        NimArgs(
            scope=place.scope,
            image=place.images[role],
            resources=resources_of(role, settings),
            environment=environment(settings),
            server_environment=server_environment(role, model, settings),
            profile=settings.profile,
            storage=settings.cache_storage or STORAGE,
            storage_class=settings.cache_storage_class,
            access=settings.cache_access,
            shared_memory=settings.shared_memory or size.shared_memory,
            startup_minutes=settings.startup_minutes or startup_minutes(model, size),
            weights_mib=WEIGHTS_MIB.get(role) if settings.image is None else None,
            gpu=place.gpu.of(settings),
            key=None if settings.preloaded or settings.artefact else place.key,
            artefact=place.artefacts.get(role),
            importer=place.importer,
            pull_secrets=pull_secrets(place, place.images[role]),
            after=place.after,
            scaling=scaling,
            certificate=certificate,
        ),
        opts,
    )
    return ModelEndpoint(
        role=role,
        url=server.url,
        server=server,
        model=model,
        dimension=(dimension or DIMENSION) if role == "embedding" else None,
    )


def pull_secrets(
    place: NimPlace, image: str
) -> Sequence[k8s.core.v1.LocalObjectReferenceArgs] | None:
    """Return the Secrets that a role's pods pull by, that of its own image first.

    Both where there are two: some images are NVIDIA's, and that of an import never is.
    """
    names: list[pulumi.Input[str] | None] = [place.pull, place.scope.pull_secret]
    if parse(image).host != NVIDIA_HOST:
        names.reverse()
    found = [k8s.core.v1.LocalObjectReferenceArgs(name=each) for each in names if each is not None]
    return found or None


def startup_minutes(model: str, size: Size) -> int:
    """Return how long a model's start may take: a minute for each billion of parameters more.

    NVIDIA's own charts wait 30 minutes for 8 billion (nim-llm) and 125 for 120 (its RAG blueprint).
    """
    found = [int(times or 1) * float(each) for times, each in BILLIONS.findall(model.lower())]
    more = math.ceil(max(found, default=0.0)) - BILLIONS_IN_SIZE
    return min(MOST_MINUTES, size.startup_minutes + max(0, more))


def size_of(role: str) -> Size:
    """Return what a role asks for where its settings do not say."""
    return LARGE if role == "llm" else SMALL


def resources_of(role: str, settings: ModelSettings) -> Resources:
    """Return what a server of a role asks for."""
    size = size_of(role)
    memory = settings.memory or size.memory
    return Resources(
        cpu=settings.cpu or size.cpu,
        memory=memory,
        memory_limit=f"{2 * mebibytes(memory)}Mi",
        cpu_limit=CPU_LIMIT,
        gpus=settings.gpus or 1,
    )


def environment(settings: ModelSettings) -> dict[str, str]:
    """Return what the download reads too; what of it names files downloads anew."""
    result = {"NIM_CACHE_PATH": CACHE, **QUIET}
    if settings.profile is not None:
        result["NIM_MODEL_PROFILE"] = settings.profile
    return {**result, **settings.environment}


def server_environment(role: str, model: str, settings: ModelSettings) -> dict[str, str]:
    """Return what only the server reads, for the 1.x and 2.x lines of images."""
    result = {
        "NIM_SERVER_PORT": str(PORT),  # 2.x
        "NIM_HTTP_API_PORT": str(PORT),  # 1.x
        "NIM_SERVED_MODEL_NAME": model,
        "NIM_JSONL_LOGGING": "1",
        "OUTLINES_CACHE_DIR": "/tmp/outlines",
        # It has neither a key nor a way out. The 1.x retrieval images try to download at each
        # start all the same, and end if they fail and are not told otherwise.
        OFFLINE.get(role, "NIM_IGNORE_MODEL_DOWNLOAD_FAIL"): "1",
    }
    if settings.max_model_length is not None:
        result["NIM_MAX_MODEL_LEN"] = str(settings.max_model_length)
    # what the stack says itself wins
    return {key: value for key, value in result.items() if key not in settings.environment}
