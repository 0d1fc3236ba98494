"""Pure: what is wrong with where backups go."""

from collections.abc import Iterator

from infra.problems.telling import PROJECT, alias_of, hint, secret_hint
from infra.schema import BackupSettings, Settings
from infra.schema.backup_choices import bucket_endpoint

NIGHTLY = "'0 3 * * *'"


def backup_problems(settings: Settings, secrets: frozenset[str]) -> Iterator[str]:
    """Yield a problem for each backup that would go nowhere, or out of the cluster in plain."""
    backup = settings.backup
    if backup.velero and settings.app.replicas != 1:
        yield (
            f"{PROJECT}:backup.velero: is true; with app.replicas '{settings.app.replicas}' not one"
            f" pod would make the backup\n{hint('backup.velero', 'false')}"
        )
    if backup.follow is not None and backup.schedule is not None:
        yield (
            f"{PROJECT}:backup.follow: is '{backup.follow}', and backup.schedule is "
            f"'{backup.schedule}'; one of them makes the backups\n"
            f"      hint: pulumi config rm --path '{PROJECT}:backup.schedule'"
        )
    if backup.follow is None and "whole_every" in backup.model_fields_set:
        yield (
            f"{PROJECT}:backup.wholeEvery: is '{backup.whole_every}'; it is for backup.follow, "
            f"which is not set\n{hint('backup.follow', '30')}"
        )
    if backup.s3 is None:
        if "backupBucketKey" in secrets:
            yield (
                f"{PROJECT}:backupBucketKey: is set; it is for backup.s3, which is not\n"
                f"{hint('backup.s3.bucket', 'NAME')}"
            )
        return
    if not backup.by_itself:
        yield (
            f"{PROJECT}:backup.schedule: is not set; backups go into backup.s3 by the clock, or by "
            f"backup.follow\n"
            f"{hint('backup.schedule', NIGHTLY)}"
        )
    if "backupKeys" not in secrets:
        yield (
            f"{PROJECT}:backupKeys: is not set; into a bucket backups go sealed, with a key that "
            f"you keep outside the cluster\n{secret_hint('backupKeys')} $(openssl rand -base64 32)"
        )
    if bucket_endpoint(settings) is None:
        yield (
            f"{PROJECT}:backup.s3.region: is not set, nor is backup.s3.endpoint\n"
            f"{hint('backup.s3.region', 'eu-central-1')}"
        )
    if settings.cluster.kind == "local" and "backupBucketKey" not in secrets:
        yield (
            f"{PROJECT}:backupBucketKey: is not set; a local cluster has no EKS Pod Identity\n"
            f"{secret_hint('backupBucketKey')} ID:SECRET"
        )
    for name in ("storage", "storage_class"):
        if name in backup.model_fields_set:
            alias = alias_of(BackupSettings, name)
            yield (
                f"{PROJECT}:backup.{alias}: is '{getattr(backup, name)}'; with backup.s3 there is "
                f"no volume\n      hint: pulumi config rm --path '{PROJECT}:backup.{alias}'"
            )
