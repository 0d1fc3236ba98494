"""Reads a kubeconfig: which server, and what to show it."""

import base64
import json
import os
import ssl
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tools.standin.errors import StandInError
from tools.standin.wire import Manifest

EXEC_SECONDS = 60


@dataclass(frozen=True)
class Target:
    """One context of a kubeconfig, resolved."""

    context: str
    server: str
    namespace: str
    cluster: Manifest
    user: Manifest = field(repr=False)
    text: str = field(repr=False)
    folder: Path = field(default=Path(), repr=False)


def kubeconfig_text(given: str | None) -> tuple[str, Path] | None:
    """Return the text and the folder of the kubeconfig: content, a path, or kubectl's default."""
    given = given or os.environ.get("KUBECONFIG")
    if given and "\n" not in given.strip() and not given.lstrip().startswith("{"):
        # several paths in one variable: the first that exists, as kubectl's merge would start
        paths = [Path(part).expanduser() for part in given.split(os.pathsep) if part]
    elif given:
        return given, Path()
    else:
        paths = [Path("~/.kube/config").expanduser()]
    found = next((path for path in paths if path.is_file()), None)
    return (found.read_text(), found.parent) if found else None


def read_target(
    given: str | None, context: str | None = None, cluster: str | None = None
) -> Target | None:
    """Resolve the context that is asked for, or None where there is no kubeconfig."""
    found = kubeconfig_text(given)
    if found is None:
        return None
    text, folder = found
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        message = f"kubeconfig is not YAML{place}\nhint: kubectl config view"
        # the parser's own text quotes lines, and those may hold a key
        raise StandInError(message) from None
    if not isinstance(config, dict):
        message = "kubeconfig holds no settings\nhint: kubectl config view"
        raise StandInError(message)
    name = context or config.get("current-context")
    if not name:
        message = "kubeconfig has no current-context\nhint: kubectl config use-context NAME"
        raise StandInError(message)
    chosen = _entry(config, "context", name)
    cluster_entry = _entry(config, "cluster", cluster or chosen.get("cluster", ""))
    user = _entry(config, "user", chosen["user"]) if chosen.get("user") else {}
    return Target(
        context=name,
        server=str(cluster_entry.get("server", "")).rstrip("/"),
        namespace=chosen.get("namespace") or "default",
        cluster=cluster_entry,
        user=user,
        text=text,
        folder=folder,
    )


def _entry(config: Manifest, kind: str, name: str) -> Manifest:
    entries = config.get(f"{kind}s") or []
    for entry in entries:
        if entry.get("name") == name:
            return dict(entry.get(kind) or {})
    known = ", ".join(f'"{entry.get("name")}"' for entry in entries) or "none"
    message = (
        f'kubeconfig has no {kind} "{name}", it has {known}\nhint: kubectl config get-contexts'
    )
    raise StandInError(message)


def _material(target: Target, source: Manifest, name: str) -> bytes | None:
    """Return certificate or key, given inline (base64) or as a path beside the kubeconfig."""
    if data := source.get(f"{name}-data"):
        return base64.b64decode(data)
    if path := source.get(name):
        return (target.folder / Path(path).expanduser()).read_bytes()
    return None


def tls_context(target: Target, credential: Manifest | None = None) -> ssl.SSLContext:
    """Build the TLS settings: the cluster's authority and the user's certificate."""
    context = ssl.create_default_context()
    if authority := _material(target, target.cluster, "certificate-authority"):
        context = ssl.create_default_context(cadata=authority.decode())
    if target.cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if credential and credential.get("clientCertificateData"):
        certificate: bytes | None = str(credential["clientCertificateData"]).encode()
        key: bytes | None = str(credential.get("clientKeyData", "")).encode()
    else:
        certificate = _material(target, target.user, "client-certificate")
        key = _material(target, target.user, "client-key")
    if certificate:
        # ssl reads files only; this one is 0600 and gone after the next line
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(certificate + b"\n" + (key or b""))
            pair.flush()
            context.load_cert_chain(pair.name)
    return context


def exec_credential(target: Target) -> Manifest | None:
    """Run the user's exec plugin and return the credential that it prints."""
    plugin: Any = target.user.get("exec")
    if not plugin:
        return None
    command = [plugin["command"], *(plugin.get("args") or [])]
    extra = {item["name"]: item["value"] for item in plugin.get("env") or []}
    info = {
        "apiVersion": plugin.get("apiVersion", "client.authentication.k8s.io/v1"),
        "kind": "ExecCredential",
        "spec": {"interactive": False},
    }
    environment = {**os.environ, **extra, "KUBERNETES_EXEC_INFO": json.dumps(info)}
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=EXEC_SECONDS,
            check=True,
        )
        return dict(json.loads(done.stdout).get("status") or {})
    except FileNotFoundError:
        message = f'kubeconfig\'s exec plugin "{command[0]}" is not on PATH'
    except subprocess.CalledProcessError as error:
        message = f'kubeconfig\'s exec plugin "{command[0]}" failed: {error.stderr[-500:].strip()}'
    except subprocess.TimeoutExpired:
        message = f'kubeconfig\'s exec plugin "{command[0]}" took longer than {EXEC_SECONDS} s'
    except ValueError:
        message = f'kubeconfig\'s exec plugin "{command[0]}" printed no credential'
    message += f"\nhint: {plugin.get('installHint') or 'kubectl get namespaces'}"
    raise StandInError(message)


def bearer_token(target: Target, credential: Manifest | None = None) -> str | None:
    """Return the token to send: from the exec plugin, a file, or the kubeconfig."""
    if credential and credential.get("token"):
        return str(credential["token"])
    if path := target.user.get("tokenFile"):
        return (target.folder / Path(path).expanduser()).read_text().strip()
    token = target.user.get("token")
    return str(token) if token else None
