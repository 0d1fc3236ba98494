"""The variables that the tools run with."""

import json
import os
import secrets
import sys
import tempfile
from pathlib import Path

import yaml

from tools import official_plugin
from tools.paths import bin_dir, home_dir
from tools.standin.install import plugin_directory

ROOT = Path(__file__).parents[1]


def environment(stack: str | None = None, project: Path = ROOT) -> dict[str, str]:
    """Return the variables to set over the ordinary ones, for a stack or for none.

    The stand-in Kubernetes provider comes last on PATH, and only for a stack with a local cluster
    on a machine without the official one.
    """
    path = [str(bin_dir()), str(Path(sys.executable).parent)]
    changed = {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    ambient = [part for part in os.environ.get("PATH", "").split(os.pathsep) if part not in path]
    last = []
    settings = _settings(stack, project) if stack is not None else None
    alone = settings is not None and _is_local(settings) and official_plugin.find() is None
    if alone:
        last = [str(plugin_directory())]
    if alone or (settings and str(settings.get("stackyard:airgapped", "")).lower() == "true"):
        # the official one could not be downloaded; the engine would ask for it over and over
        changed["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    changed["PATH"] = os.pathsep.join([*path, *ambient, *last])
    if "PULUMI_BACKEND_URL" not in os.environ and not _logged_in():
        backend = home_dir() / "pulumi"
        backend.mkdir(parents=True, exist_ok=True)
        changed["PULUMI_BACKEND_URL"] = backend.as_uri()
    given = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")
    if not any(name in os.environ for name in given):
        changed["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(_passphrase())
    return changed


def _settings(stack: str, project: Path) -> dict[str, object]:
    try:
        content = yaml.safe_load((project / f"Pulumi.{stack}.yaml").read_text())
    except FileNotFoundError:
        return {}
    config = content.get("config") if isinstance(content, dict) else None
    return config if isinstance(config, dict) else {}


def _is_local(settings: dict[str, object]) -> bool:
    """Say whether a stack's settings leave or set cluster.kind to local."""
    cluster = settings.get("stackyard:cluster")
    kind = cluster.get("kind", "local") if isinstance(cluster, dict) else "local"
    # `pulumi config set --path` writes the other form
    return bool(settings.get("stackyard:cluster.kind", kind) == "local")


def _logged_in() -> bool:
    """Say whether the user has chosen a Pulumi backend, as `pulumi login` writes it down."""
    if os.environ.get("PULUMI_ACCESS_TOKEN"):
        return True
    home = Path(os.environ.get("PULUMI_HOME") or "~/.pulumi").expanduser()
    try:
        return bool(json.loads((home / "credentials.json").read_text()).get("current"))
    except (OSError, ValueError, AttributeError):
        return False


def _passphrase() -> Path:
    """Return the file with the passphrase of this machine's stacks, made once and never changed."""
    file = home_dir() / "passphrase"
    if file.exists():
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=file.parent) as draft:  # mode 0600
        draft.write(secrets.token_urlsafe(32))
        draft.flush()
        try:
            file.hardlink_to(draft.name)  # whole or not at all, and never over another run's
        except FileExistsError:
            return file
    return file
