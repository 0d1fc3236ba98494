"""Pure: where the bucket of backups is reached."""

from infra.clusters.aws_place import dns_suffix
from infra.schema import Settings

ANY_REGION = "us-east-1"  # what speaks like S3 has none, and takes this one


def bucket_endpoint(settings: Settings) -> str | None:
    """Return the address of `backup.s3`; None where nothing says where it is."""
    s3 = settings.backup.s3
    if s3 is None or s3.endpoint is not None:
        return None if s3 is None else s3.endpoint
    region = s3.region or settings.cluster.region
    return None if region is None else f"https://s3.{region}.{dns_suffix(region)}"


def bucket_region(settings: Settings) -> str:
    """Return the region that requests are signed for."""
    s3 = settings.backup.s3
    named = None if s3 is None else s3.region
    if named is None and (s3 is None or s3.endpoint is None):
        named = settings.cluster.region
    return named or ANY_REGION
