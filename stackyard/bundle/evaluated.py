"""A stack's program, evaluated in a process of its own: no cluster, no key, no network."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from stackyard.errors import Trouble
from stackyard.project import PACKAGE, Stack

Json = dict[str, Any]
UNKNOWN = "unknown"  # in place of an encrypted value: no passphrase is asked for
# secrets that a stack may leave to its user; with the setting that makes them wanted
WANTED = {"ngcApiKey": "nim", "nvidiaApiKey": "hosted"}
FILES = {"ca", "lock"}  # settings of the registry that name a file beside the stack's own
SECRETS = (
    "ngcApiKey",
    "nvidiaApiKey",
    "NVIDIA_EMBEDDINGS_KEY",
    "llmApiKey",
    "embeddingApiKey",
    "rankingApiKey",
    "registryPassword",
    "appApiKeys",
)


def evaluate(stack: Stack, *, listing: bool = True) -> Json:
    """Return {"resources": [{type, name, inputs}], "exports"} of a stack.

    `listing`: what it needs, before a lock exists; without, what would be deployed.
    Raises Trouble with the program's own words where the settings are wrong.
    """
    with tempfile.TemporaryDirectory() as scratch:
        settings, secrets = _given(stack, Path(scratch), listing=listing)
        done = subprocess.run(
            [sys.executable, "-m", "infra.evaluation"],
            input=json.dumps(
                {
                    "stack": stack.name,
                    "settings": settings,
                    "secrets": secrets,
                    "listing": listing,
                }
            ),
            cwd=PACKAGE,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        said = done.stderr.strip()
        if "hint:" in said:
            what, _, hint = said.rpartition("hint:")
            raise Trouble(what.rstrip(), hint.strip())
        raise Trouble(said[-1500:], f"pulumi preview --stack {stack.name}")
    found: Json = json.loads(done.stdout)
    return found


def _given(stack: Stack, scratch: Path, *, listing: bool) -> tuple[Json, dict[str, str]]:
    """Return the stack's settings, and a stand-in for each secret that it has or will have."""
    known = stack.settings_file.is_file() or stack.home.is_dir()  # Pulumi drops an empty file
    if not known and stack.name != "dev":
        message = f"there is no {stack.settings_file}"
        raise Trouble(message, f"cp examples/Pulumi.{stack.name}.yaml .")
    settings: Json = {}
    secrets: dict[str, str] = {}
    for key, value in stack.settings.items():
        if key in SECRETS:
            secrets[key] = UNKNOWN
        else:
            settings[key] = _plain(value)
    cluster = settings.get("cluster")
    if isinstance(cluster, dict) and cluster.get("kind") == "existing":
        # the program only asks whether it is there
        (scratch / "kubeconfig").write_text("{}")
        settings["cluster"] = {**cluster, "kubeconfig": str(scratch / "kubeconfig")}
    sealed = settings.get("airgapped") in (True, "true")
    if not sealed:
        text = json.dumps(settings.get("models", {}))
        secrets |= {name: UNKNOWN for name, kind in WANTED.items() if f'"{kind}"' in text}
    registry = settings.get("registry")
    if isinstance(registry, dict):
        if registry.get("username"):
            secrets["registryPassword"] = UNKNOWN
        # the program runs in another folder
        files = {name: stack.project / str(registry[name]) for name in FILES & registry.keys()}
        settings["registry"] = {**registry, **{name: str(path) for name, path in files.items()}}
        if listing and "ca" in files and not files["ca"].is_file():
            del settings["registry"]["ca"]  # the site's, which the connected side may not have
    return settings, secrets


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return UNKNOWN if set(value) == {"secure"} else {k: _plain(v) for k, v in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
