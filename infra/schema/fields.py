"""What the settings are made of: the base of each noun, and texts with a shape."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel

Quantity = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*(Mi|Gi|Ti)$")]
CpuQuantity = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*m?$")]
WebAddress = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+(/\S*)?$")]
TracesAddress = Annotated[
    str, StringConstraints(pattern=r"^https?://[^\s/@]+(/[^\s@]*)?/v1/traces$")
]
HostName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]+(:[0-9]{1,5})?$")]
RegistryPath = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+([._/-][a-z0-9]+)*$")]
Rate = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*/(second|minute|hour|day)$")]
ImageReference = Annotated[str, StringConstraints(pattern=r"^\S+$")]
OcrLanguages = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z_]{3,20}([+][A-Za-z_]{3,20}){0,9}$")
]
Engine = Literal["fast", "stock"]
Admission = Literal["off", "warn", "deny"]
ServiceType = Literal["ClusterIP", "NodePort", "LoadBalancer"]
Exposure = Literal["ClusterIP", "NodePort", "LoadBalancer", "Ingress", "Gateway"]
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")]
BucketName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
Zone = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9][a-z]$")]
Account = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]
Principal = Annotated[
    str, StringConstraints(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/\S+$")
]
Cidr = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}$")]
InstanceType = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*\.[a-z0-9-]+$")]
KubernetesVersion = Annotated[str, StringConstraints(pattern=r"^1\.[0-9]{2}$")]
Schedule = Annotated[str, StringConstraints(pattern=r"^[0-9*/,-]+( [0-9A-Za-z*/,-]+){4}$")]
ObjectName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$")]

ClassName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]


class Frozen(BaseModel):
    """One noun of the settings: camelCase outside, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=False, strict=True
    )
