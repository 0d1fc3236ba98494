"""What a stack may say: the settings as types, with their defaults."""

from typing import Literal

from pydantic import Field

from infra.schema.access import AccessSettings
from infra.schema.cluster import ClusterSettings
from infra.schema.edge import AddressRange, EdgeSettings, TlsSettings
from infra.schema.fields import (
    Admission,
    BucketName,
    Engine,
    Exposure,
    Frozen,
    HostName,
    ImageReference,
    OcrLanguages,
    Quantity,
    Region,
    RegistryPath,
    Schedule,
    TracesAddress,
    WebAddress,
)
from infra.schema.models import GpuOperatorSettings, ModelsSettings, NimOperatorSettings
from infra.schema.network import NetworkSettings
from infra.schema.scaling import KedaSettings


class RegistrySettings(Frozen):
    """The image registry that the cluster pulls from."""

    host: HostName | None = Field(
        default=None,
        description="host[:port]. Unset, local: a registry beside the cluster; eks: the account's",
    )
    prefix: RegistryPath | None = Field(default=None, description="path below the host")
    mirrored: bool = Field(
        default=False,
        description="third-party images are taken from there too, not from the public",
    )
    username: str | None = Field(
        default=None, min_length=1, description="for pulling; needs `registryPassword`"
    )
    ca: str | None = Field(
        default=None,
        min_length=1,
        description="a PEM file with the private authorities that pods are to trust; the app "
        "besides the public ones",
    )
    lock: str | None = Field(
        default=None,
        min_length=1,
        description="the lock of a bundle: images by its digests, ours taken and not built",
    )


class QdrantSettings(Frozen):
    """The vector store."""

    storage: Quantity = Field(default="10Gi", description="size of its volume, of each node")
    nodes: int = Field(
        default=1,
        ge=1,
        le=31,
        description="existing, eks: 1, or 3 and more as one Qdrant cluster, each on a machine of "
        "its own",
    )
    shards: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="parts of a collection that is made from now on. Unset: one a node",
    )
    copies: int | None = Field(
        default=None,
        ge=1,
        le=31,
        description="of each part, on nodes of their own. Unset: 1, with several nodes 2",
    )


class AppSettings(Frozen):
    """The service that users call."""

    replicas: int = Field(
        default=1,
        ge=0,
        le=16,
        description="processes that answer; all on the node of their volume, one of them indexes",
    )
    update: Literal["rolling", "recreate"] = Field(
        default="rolling",
        description="`rolling`: the new answers before the old ends; `recreate`: for a version "
        "that cannot share the data with the one before, and says so",
    )
    bulk_workers: int = Field(
        default=0,
        ge=0,
        le=32,
        description="helpers that `stackyard ingest --bulk` brings up for the time of a load, on "
        "the app's node",
    )
    storage: Quantity = Field(default="10Gi", description="size of the documents' volume")
    max_upload_mb: int = Field(default=100, gt=0, le=4096, description="largest document in MB")
    site: str | None = Field(
        default=None,
        min_length=1,
        description="folder beside the stack's file with prompts, converters and pipelines of "
        "your own",
    )
    base_image: ImageReference | None = Field(
        default=None,
        description="what the app's image is built on: any Debian 12 with Python 3.11, for example "
        "one with tesseract-ocr; by digest where its tag may move. Unset: the catalog's",
    )
    ocr_languages: OcrLanguages | None = Field(
        default=None,
        description="scanned pages are read by the tesseract of `baseImage`, in these languages, "
        "such as `eng+deu`. Unset: they are told, or `models.ocr` reads them",
    )
    engine: Engine = Field(
        default="fast",
        description="`fast`: our components and scheduler; `stock`: Haystack's and its "
        "integrations' as they are",
    )
    expose: Exposure | None = Field(
        default=None,
        description="`ClusterIP`, `NodePort`, `LoadBalancer`, or behind the site's `Ingress` or "
        "`Gateway`. Unset: NodePort on local, else ClusterIP",
    )
    node_port: int | None = Field(
        default=None, ge=30000, le=32767, description="existing, eks with NodePort. Unset: 30080"
    )
    url: WebAddress | None = Field(
        default=None, description="existing, eks: the address that users call, for the output `url`"
    )
    tls: TlsSettings = Field(default=TlsSettings(), description="the certificate that callers see")
    edge: EdgeSettings = Field(
        default=EdgeSettings(), description="an ingress controller or a gateway in front"
    )
    trusted_proxies: list[AddressRange] = Field(
        default=[],
        description="addresses of proxies whose X-Forwarded-For and -Proto are believed, for "
        "rates, lock-out and the audit log. Unset: nobody's",
    )
    traces: TracesAddress | None = Field(
        default=None,
        description="an OpenTelemetry collector's OTLP over HTTP, ends in /v1/traces: it gets the "
        "times of each request and component, nothing that was said",
    )


class S3Settings(Frozen):
    """A bucket of S3, or of what speaks like it."""

    bucket: BucketName = Field(description="it is there already")
    prefix: str = Field(
        default="",
        pattern=r"^([A-Za-z0-9._-]+/)*$",
        description="of the objects, for example `prod/`; one for each stack",
    )
    endpoint: WebAddress | None = Field(
        default=None, description="of what speaks like S3. Unset: AWS's in the region"
    )
    region: Region | None = Field(
        default=None,
        description="of the bucket. Unset: cluster.region, at an endpoint us-east-1",
    )


class BackupSettings(Frozen):
    """Backups by the clock, kept on a volume of their own or in a bucket."""

    schedule: Schedule | None = Field(
        default=None,
        description="five fields of cron in UTC, such as `0 3 * * *`. Unset: by hand only",
    )
    follow: int | None = Field(
        default=None,
        ge=5,
        le=3600,
        description="seconds, in place of a schedule: a backup of what changed, this often at "
        "most. Each waits for the jobs that run to end",
    )
    whole_every: int = Field(
        default=24, ge=1, le=720, description="hours between whole backups, with `follow`"
    )
    keep: int = Field(
        default=7,
        ge=1,
        le=1000,
        description="how many; the oldest go first. With `follow` whole ones, each with what goes "
        "on from it",
    )
    storage: Quantity = Field(default="20Gi", description="size of their volume")
    storage_class: str | None = Field(
        default=None, min_length=1, description="of their volume. Unset: the stack's"
    )
    velero: bool = Field(
        default=False,
        description="Velero's hook: a backup of the moment beside the app's documents, before it "
        "takes their volume",
    )
    s3: S3Settings | None = Field(
        default=None, description="a bucket in place of the volume; needs the secret `backupKeys`"
    )

    @property
    def by_itself(self) -> bool:
        """Whether the stack makes backups without being asked."""
        return self.schedule is not None or self.follow is not None


class PolicySettings(Frozen):
    """What the cluster holds the stack's pods to, whoever makes them."""

    admission: Admission = Field(
        default="off",
        description="a ValidatingAdmissionPolicy with the pod rules of policy/: `deny` refuses, "
        "`warn` tells and logs",
    )
    quota: bool | None = Field(
        default=None,
        description="a quota for each namespace, of twice what the stack asks for and some room. "
        "Unset: true, with cluster.scope `namespace` false",
    )
    priorities: bool | None = Field(
        default=None,
        description="priority classes: what answers goes before downloads and backups. Unset: "
        "true, with cluster.scope `namespace` false",
    )


class Settings(Frozen):
    """All plain settings of a stack; the secrets are in `Secrets`."""

    cluster: ClusterSettings = Field(default=ClusterSettings(), description="which Kubernetes")
    models: ModelsSettings = Field(
        default=ModelsSettings(), description="where the language, embedding and ranking models run"
    )
    gpu_operator: GpuOperatorSettings = Field(
        default=GpuOperatorSettings(), description="what makes GPUs usable for pods"
    )
    keda: KedaSettings = Field(
        default=KedaSettings(), description="what scales model servers; not on a local cluster"
    )
    nim_operator: NimOperatorSettings = Field(
        default=NimOperatorSettings(), description="another way to serve the roles of kind `nim`"
    )
    registry: RegistrySettings = Field(
        default=RegistrySettings(), description="the image registry that the cluster pulls from"
    )
    network: NetworkSettings = Field(
        default=NetworkSettings(), description="ways inside of the cluster, and out of it"
    )
    airgapped: bool = Field(
        default=False,
        description="nothing may leave: previews refuse what would, and pods have no way out",
    )
    qdrant: QdrantSettings = Field(default=QdrantSettings(), description="the vector store")
    app: AppSettings = Field(default=AppSettings(), description="the service that users call")
    access: AccessSettings = Field(
        default=AccessSettings(), description="who may call it, and whose documents they see"
    )
    backup: BackupSettings = Field(
        default=BackupSettings(), description="backups: when, how many, and where"
    )
    policy: PolicySettings = Field(
        default=PolicySettings(), description="what the cluster holds the stack's pods to"
    )


# name -> what it is for; set with `pulumi config set --secret stackyard:NAME`
SECRETS: dict[str, str] = {
    "ngcApiKey": "NVIDIA's registry: NIM images and model files, for roles of kind nim",
    "nvidiaApiKey": "NVIDIA's API, for hosted roles with NVIDIA's URL",
    "NVIDIA_EMBEDDINGS_KEY": "NVIDIA's API, for the embedding role only; wins over nvidiaApiKey",
    "llmApiKey": "the hosted language model with a URL of its own",
    "embeddingApiKey": "the hosted embedding model with a URL of its own",
    "nextEmbeddingApiKey": "the embedding model to change to",
    "ocrApiKey": "the service that reads scanned pages",
    "rankingApiKey": "the hosted ranking model with a URL of its own",
    "registryPassword": "pulling from `registry.host` as `registry.username`",
    "appApiKeys": "keys that callers may use, separated by commas. Unset: one is generated",
    "backupKeys": "sealing backups: 32 bytes in base64 each, separated by commas; the first seals, "
    "all open. Keep them elsewhere too: without them a backup is lost. Unset: backups are plain",
    "backupBucketKey": "`backup.s3.bucket`, as ID:SECRET. Unset: EKS Pod Identity",
    "oidcClientSecret": "`access.oidc.login.clientId` at its provider. Unset: a public client",
}
