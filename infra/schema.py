"""What a stack may say: the settings as types, with their defaults."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

NVIDIA_URL = "https://integrate.api.nvidia.com/v1"
NVIDIA_RETRIEVAL_URL = "https://ai.api.nvidia.com/v1"  # where NVIDIA hosts its ranking models

Quantity = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*(Mi|Gi|Ti)$")]
WebAddress = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+(/\S*)?$")]
HostName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]+(:[0-9]{1,5})?$")]
RegistryPath = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+([._/-][a-z0-9]+)*$")]
ModelKind = Literal["local", "hosted"]
Engine = Literal["fast", "stock"]
Exposure = Literal["ClusterIP", "NodePort", "LoadBalancer"]


class Frozen(BaseModel):
    """One noun of the settings: camelCase outside, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=False, strict=True
    )


class ClusterSettings(Frozen):
    """Which Kubernetes the stack runs on."""

    kind: Literal["local", "existing"] = Field(
        default="local", description="`local`: made by kind; `existing`: any kubeconfig"
    )
    port: int | None = Field(
        default=None,
        ge=1024,
        le=65533,
        description="local: the URL's port; the next two are the API server's and the registry's. "
        "Unset: derived from the stack's name",
    )
    kubeconfig: str = Field(default="~/.kube/config", description="existing: the kubeconfig's path")
    context: str | None = Field(default=None, description="existing: the kubeconfig's context")
    storage_class: str | None = Field(
        default=None, description="existing: for the volumes. Unset: the cluster's default"
    )

    @property
    def kubeconfig_path(self) -> Path:
        return Path(self.kubeconfig).expanduser()


class ModelSettings(Frozen):
    """Where one model role is served."""

    kind: ModelKind | None = Field(
        default=None,
        description="`local`: on CPU in the cluster; `hosted`: a URL. Unset: `models.kind`",
    )
    url: WebAddress | None = Field(
        default=None, description="hosted: OpenAI-compatible base URL, ends in /v1. Unset: NVIDIA's"
    )
    model: str | None = Field(default=None, min_length=1, description="hosted: the model's name")


class EmbeddingSettings(ModelSettings):
    """Where the embedding model is served, and how long its vectors are."""

    dimension: int | None = Field(
        default=None, gt=0, le=65536, description="length of the vectors; needed with `model`"
    )


class ModelsSettings(Frozen):
    """The three model roles."""

    kind: ModelKind = Field(default="local", description="for the roles that do not say")
    llm: ModelSettings = ModelSettings()
    embedding: EmbeddingSettings = EmbeddingSettings()
    ranking: ModelSettings = ModelSettings()

    def role(self, name: str) -> ModelSettings:
        """Return one role's settings by its name."""
        return {"llm": self.llm, "embedding": self.embedding, "ranking": self.ranking}[name]

    def kind_of(self, role: ModelSettings) -> ModelKind:
        """Return where a role of these settings is served."""
        return role.kind if role.kind is not None else self.kind


class RegistrySettings(Frozen):
    """The image registry that the cluster pulls from."""

    host: HostName | None = Field(
        default=None, description="host[:port]. Unset, local: a registry beside the cluster"
    )
    prefix: RegistryPath | None = Field(default=None, description="path below the host")
    mirrored: bool = Field(
        default=False,
        description="third-party images are taken from there too, not from the public",
    )
    username: str | None = Field(
        default=None, min_length=1, description="for pulling; needs `registryPassword`"
    )


class QdrantSettings(Frozen):
    """The vector store."""

    storage: Quantity = Field(default="10Gi", description="size of its volume")


class AppSettings(Frozen):
    """The service that users call."""

    replicas: int = Field(
        default=1, ge=0, le=1, description="0 or 1: its jobs are on one volume, held by one process"
    )
    storage: Quantity = Field(default="10Gi", description="size of the documents' volume")
    max_upload_mb: int = Field(default=100, gt=0, le=4096, description="largest document in MB")
    engine: Engine = Field(
        default="fast",
        description="`fast`: our components and scheduler; `stock`: Haystack's and its "
        "integrations' as they are",
    )
    expose: Exposure | None = Field(
        default=None,
        description="`ClusterIP`, `NodePort` or `LoadBalancer`. "
        "Unset: NodePort on local, ClusterIP on existing",
    )
    node_port: int | None = Field(
        default=None, ge=30000, le=32767, description="existing with NodePort. Unset: 30080"
    )
    url: WebAddress | None = Field(
        default=None, description="existing: the address that users call, for the output `url`"
    )


class Settings(Frozen):
    """All plain settings of a stack; the secrets are in `Secrets`."""

    cluster: ClusterSettings = Field(default=ClusterSettings(), description="which Kubernetes")
    models: ModelsSettings = Field(
        default=ModelsSettings(), description="where the language, embedding and ranking models run"
    )
    registry: RegistrySettings = Field(
        default=RegistrySettings(), description="the image registry that the cluster pulls from"
    )
    qdrant: QdrantSettings = Field(default=QdrantSettings(), description="the vector store")
    app: AppSettings = Field(default=AppSettings(), description="the service that users call")


# name -> what it is for; set with `pulumi config set --secret stackyard:NAME`
SECRETS: dict[str, str] = {
    "nvidiaApiKey": "NVIDIA's API, for hosted roles with NVIDIA's URL",
    "NVIDIA_EMBEDDINGS_KEY": "NVIDIA's API, for the embedding role only; wins over nvidiaApiKey",
    "llmApiKey": "the hosted language model with a URL of its own",
    "embeddingApiKey": "the hosted embedding model with a URL of its own",
    "rankingApiKey": "the hosted ranking model with a URL of its own",
    "registryPassword": "pulling from `registry.host` as `registry.username`",
    "appApiKeys": "keys that callers may use, separated by commas. Unset: one is generated",
}
