"""What this machine can have, as the tools found it; else that of an ordinary machine."""

import os
from pathlib import Path

import pulumi
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

EDGE = "edge"  # as qdrantImage: no registry has the server, local/qdrant is built instead


class Machine(BaseModel):
    """The facts of machine.json; None means the pinned public image of the catalog."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True
    )

    node_image: str | None = None
    base_image: str | None = None
    registry_image: str | None = None
    qdrant_image: str | None = None
    cni_directory: str | None = None
    cgroup_v1: bool = False
    network_policy_enforced: bool = True


def load_machine() -> Machine:
    """Return the facts about this machine; previews stay offline because nothing is probed."""
    path = Path(os.environ.get("STACKYARD_MACHINE") or home_dir() / "machine.json").expanduser()
    try:
        return Machine.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Machine()
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        message = f"{path} cannot be used: {wrong}\nhint: make tools writes it anew"
        raise pulumi.RunError(message) from None


def home_dir() -> Path:
    """Return the folder of state on this machine (STACKYARD_HOME)."""
    return Path(os.environ.get("STACKYARD_HOME") or "~/.local/share/stackyard").expanduser()


def cache_dir() -> Path:
    """Return the folder of what can be rebuilt (STACKYARD_CACHE)."""
    return Path(os.environ.get("STACKYARD_CACHE") or "~/.cache/stackyard").expanduser()


def stack_dir(stack: str) -> Path:
    """Return the folder of a local stack: volumes and the registry's name for the nodes."""
    return home_dir() / "stacks" / stack
