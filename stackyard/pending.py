"""What a killed run was in the middle of, and what of it may be there twice."""

import json
from collections.abc import Sequence
from pathlib import Path

Pending = dict[str, object]  # an operation that began and did not end, as the engine exports it


def twice_in_aws(stack: str, pending: Sequence[Pending]) -> list[str]:
    """Tell what AWS may have made without anybody's having written it down.

    A cluster knows an object by its name, so making it again changes nothing. AWS gives each an id.
    """
    names = [name for each in pending if (name := _made_there(each))]
    if not names:
        return []
    # Imported late: it brings pulumi along.
    from infra.clusters.aws_place import TAG

    told = (
        f"AWS may have made {', '.join(names)} for the killed run, and the next up makes another; "
        "remove what is there twice\nhint: aws resourcegroupstaggingapi get-resources "
        f"--tag-filters Key={TAG},Values={stack}"
    )
    return [told]


def drop_cut_attributes(kept: Path | None) -> None:
    """Remove what the engine's folder has cut off beside a state file, which is whole without it.

    The engine replaces a state file in one step, and writes what it notes beside it (`.attrs`: type
    and checksum) in place; with half of that it says `failed to load checkpoint: EOF`.
    """
    if kept is None:
        return
    for path in kept.rglob("*.attrs"):
        try:
            json.loads(path.read_text())
        except ValueError:
            path.unlink()


def _made_there(pending: Pending) -> str | None:
    resource = pending.get("resource")
    if pending.get("type") != "creating" or not isinstance(resource, dict):
        return None
    kind, name = str(resource.get("type")), str(resource.get("urn")).rpartition("::")[2]
    return f"{kind.rpartition(':')[2]} {name}" if kind.startswith("aws:") else None
