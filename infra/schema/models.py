"""What a stack may say about its models and about what brings the GPUs to them."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from infra.schema.fields import (
    CpuQuantity,
    Frozen,
    ImageReference,
    ObjectName,
    Quantity,
    WebAddress,
)
from infra.schema.scaling import Hours, RoleScaling

NVIDIA_URL = "https://integrate.api.nvidia.com/v1"
NVIDIA_RETRIEVAL_URL = "https://ai.api.nvidia.com/v1"  # where NVIDIA hosts its ranking models
NVIDIA_HOSTS = tuple(url.split("/")[2] for url in (NVIDIA_URL, NVIDIA_RETRIEVAL_URL))
OPERATOR_VERSION = "v26.7.0"  # of the chart whose values and images are known here
NIM_OPERATOR_VERSION = "3.1.2"  # of the chart and of the resources that are written for it
ROLES = ("llm", "embedding", "ranking")
ModelKind = Literal["local", "hosted", "nim"]
Profile = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$")]


class ModelSettings(Frozen):
    """Where one model role is served."""

    kind: ModelKind | None = Field(
        default=None,
        description="`local`: on CPU in the cluster; `hosted`: a URL; `nim`: on GPUs in the "
        "cluster. Unset: `models.kind`",
    )
    url: WebAddress | None = Field(
        default=None, description="hosted: OpenAI-compatible base URL, ends in /v1. Unset: NVIDIA's"
    )
    model: str | None = Field(
        default=None, min_length=1, description="hosted, nim: the model's name"
    )
    image: ImageReference | None = Field(
        default=None, description="nim: any NIM image; needs `model`. Unset: the catalog's"
    )
    gpus: int | None = Field(
        default=None, ge=1, le=16, description="nim: whole GPUs or slices of one. Unset: 1"
    )
    pool: ObjectName | None = Field(
        default=None,
        description="eks, nim: the one of `cluster.gpuPools` that its server and its download run "
        "on; needed where these have different instance types. Unset: any of them",
    )
    node_selector: dict[str, str] = Field(
        default={},
        description="existing, nim: labels of its nodes, besides `cluster.gpu.nodeSelector`",
    )
    profile: Profile | None = Field(
        default=None, description="nim: id or name of the model profile. Unset: NIM's own choice"
    )
    max_model_length: int | None = Field(
        default=None, ge=256, le=10_000_000, description="nim, llm: longest context in tokens"
    )
    cache_storage: Quantity | None = Field(
        default=None, description="nim: size of the model files' volume. Unset: 50Gi"
    )
    cache_storage_class: str | None = Field(
        default=None, min_length=1, description="nim: its class. Unset: that of the other volumes"
    )
    cache_access: Literal["ReadWriteOnce", "ReadWriteMany"] = Field(
        default="ReadWriteOnce",
        description="nim: `ReadWriteMany` lets several servers read one volume; needs a class "
        "that can",
    )
    startup_minutes: int | None = Field(
        default=None,
        ge=1,
        le=240,
        description="nim: how long a start may take, files present. Unset: 30, others than llm 15, "
        "and 1 for each billion of parameters over 8 that the model's name has",
    )
    preloaded: bool = Field(
        default=False,
        description="nim: the volume is filled by you; no download, no key in the cluster",
    )
    artefact: ImageReference | None = Field(
        default=None,
        description="nim: the model's files as an OCI artefact, by digest; a Job fills the volume",
    )
    shared_memory: Quantity | None = Field(
        default=None, description="nim: /dev/shm, counts as memory. Unset: 8Gi, others than llm 1Gi"
    )
    cpu: CpuQuantity | None = Field(
        default=None, description="nim: CPU that is asked for. Unset: 4, others than llm 2"
    )
    memory: Quantity | None = Field(
        default=None, description="nim: memory asked for. Unset: 24Gi, others than llm 8Gi"
    )
    environment: dict[str, str] = Field(
        default={}, description="nim: more variables for the server and its download"
    )
    scaling: RoleScaling | None = Field(
        default=None, description="local, nim: how many servers. Unset: one"
    )


class EmbeddingSettings(ModelSettings):
    """Where the embedding model is served, and how long its vectors are."""

    dimension: int | None = Field(
        default=None, gt=0, le=65536, description="length of the vectors; needed with `model`"
    )


class NextEmbeddingSettings(Frozen):
    """The embedding model to change to: built beside, switched to when complete."""

    url: WebAddress = Field(description="OpenAI-compatible base URL, ends in /v1")
    model: str = Field(min_length=1, description="the model's name there")
    dimension: int = Field(gt=0, le=65536, description="length of its vectors")


class OcrSettings(Frozen):
    """Who reads pages that are pictures."""

    url: WebAddress = Field(
        description="NVIDIA's NIM for OCR or what answers as it does, ends in /v1. Without it "
        "scanned pages are told as needing OCR"
    )


class ModelsSettings(Frozen):
    """The three model roles."""

    kind: ModelKind = Field(default="local", description="for the roles that do not say")
    llm: ModelSettings = ModelSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    ranking: ModelSettings = ModelSettings()
    hours: Hours | None = Field(default=None, description="nim: when models run. Unset: always")
    next_embedding: NextEmbeddingSettings | None = None
    ocr: OcrSettings | None = None

    def role(self, name: str) -> ModelSettings:
        """Return one role's settings by its name."""
        return {"llm": self.llm, "embedding": self.embedding, "ranking": self.ranking}[name]

    def kind_of(self, role: ModelSettings) -> ModelKind:
        """Return where a role of these settings is served."""
        return role.kind if role.kind is not None else self.kind


class GpuOperatorSettings(Frozen):
    """NVIDIA's GPU operator."""

    mode: Literal["install", "adopt", "none"] | None = Field(
        default=None,
        description="`install` it, `adopt` one that is there without touching it, or `none`. "
        "Unset: `install` where a role is `nim`, `adopt` where cluster.gpu.preinstalled says so",
    )
    version: str = Field(default=OPERATOR_VERSION, min_length=2, description="of its chart")
    chart: str | None = Field(
        default=None,
        min_length=1,
        description="a chart file or oci:// address in place of NVIDIA's repository",
    )
    driver_packages: str | None = Field(
        default=None,
        min_length=1,
        description="a ConfigMap in its namespace with the package sources that its driver builds "
        "from; sealed off it has no others",
    )
    driver: bool | None = Field(
        default=None, description="it brings the driver. Unset: by what the nodes have"
    )
    toolkit: bool | None = Field(
        default=None, description="it brings the container toolkit. Unset: by what the nodes have"
    )
    sharing: Literal["none", "timeSlicing", "mig"] = Field(
        default="none",
        description="`timeSlicing`: several pods a GPU, memory not kept apart; `mig`: real parts, "
        "A100, H100 and newer only",
    )
    slices: int | None = Field(default=None, ge=2, le=48, description="timeSlicing: pods a GPU")
    mig_profile: str | None = Field(
        default=None,
        min_length=1,
        description="mig: a configuration of the MIG manager, for example all-1g.10gb; on an "
        "existing cluster its nodes carry it as the label nvidia.com/mig.config",
    )


class NimOperatorSettings(Frozen):
    """NVIDIA's NIM operator, which can serve the roles of kind `nim` in place of Deployments."""

    mode: Literal["none", "install", "adopt"] = Field(
        default="none",
        description="`none`: NIMs are plain Deployments; `install` the operator, or `adopt` one "
        "that is there: NIMs are its NIMCache and NIMService",
    )
    version: str = Field(default=NIM_OPERATOR_VERSION, min_length=2, description="of its chart")
    chart: str | None = Field(
        default=None,
        min_length=1,
        description="a chart file or oci:// address in place of NVIDIA's repository",
    )


def is_nvidia(url: str) -> bool:
    """Tell whether NVIDIA's key may be sent to a URL: only over TLS, only to NVIDIA's API."""
    scheme, _, rest = url.partition("://")
    return scheme == "https" and rest.split("/")[0] in NVIDIA_HOSTS
