"""What a stack may say, as types: `stack` holds all of it, the other files its nouns."""

from infra.schema.access import AccessSettings
from infra.schema.cluster import ClusterSettings
from infra.schema.edge import EdgeSettings, TlsSettings
from infra.schema.fields import Exposure, ServiceType
from infra.schema.models import (
    NVIDIA_RETRIEVAL_URL,
    NVIDIA_URL,
    EmbeddingSettings,
    GpuOperatorSettings,
    ModelSettings,
    ModelsSettings,
    NimOperatorSettings,
)
from infra.schema.network import NetworkSettings, ProxySettings
from infra.schema.scaling import Hours, KedaSettings, RoleScaling
from infra.schema.stack import (
    SECRETS,
    AppSettings,
    BackupSettings,
    QdrantSettings,
    RegistrySettings,
    S3Settings,
    Settings,
)

__all__ = [
    "NVIDIA_RETRIEVAL_URL",
    "NVIDIA_URL",
    "SECRETS",
    "AccessSettings",
    "AppSettings",
    "BackupSettings",
    "ClusterSettings",
    "EdgeSettings",
    "EmbeddingSettings",
    "Exposure",
    "GpuOperatorSettings",
    "Hours",
    "KedaSettings",
    "ModelSettings",
    "ModelsSettings",
    "NetworkSettings",
    "NimOperatorSettings",
    "ProxySettings",
    "QdrantSettings",
    "RegistrySettings",
    "RoleScaling",
    "S3Settings",
    "ServiceType",
    "Settings",
    "TlsSettings",
]
