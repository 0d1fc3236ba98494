"""The lifecycle of kubernetes:helm.sh/v3:Release, by the real helm."""

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from tools.standin.diffing import kind_key
from tools.standin.errors import NotReadyError, StandInError
from tools.standin.helm_command import Helm, HelmError, helm_for, helm_major
from tools.standin.naming import unique_name
from tools.standin.objects import title
from tools.standin.plain_objects import Done
from tools.standin.safety import MARKER
from tools.standin.secrecy import concealed
from tools.standin.session import InitError, Session, urn_hash
from tools.standin.wire import ASSET, SIGNATURE, Manifest, has_unknown, plain

TOKEN = "kubernetes:helm.sh/v3:Release"
DEFAULT_SECONDS = 300
OWNER_LABEL = "stackyard-resource"
CHECKSUM = "checksum"
# Settings whose absence changes nothing that helm does.
NOT_SUPPORTED = ("postrender", "manifest", "keyring", "verify", "recreatePods", "lint")
FLAGS = {
    "createNamespace": "--create-namespace",
    "waitForJobs": "--wait-for-jobs",
    "skipCrds": "--skip-crds",
    "dependencyUpdate": "--dependency-update",
    "disableWebhooks": "--no-hooks",
    "disableOpenapiValidation": "--disable-openapi-validation",
    "devel": "--devel",
    "cleanupOnFail": "--cleanup-on-fail",
    "resetValues": "--reset-values",
    "reuseValues": "--reuse-values",
    "renderSubchartNotes": "--render-subchart-notes",
    "takeOwnership": "--take-ownership",
}


class Releases:
    """Installs, changes, reads and removes helm releases."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def check(self, inputs: Manifest, olds: Manifest, stem: str, seed: bytes) -> Manifest:
        """Fill in name, namespace and the content of a chart that lies in a folder."""
        known = plain(inputs)
        for key in NOT_SUPPORTED:
            if known.get(key):
                message = (
                    f'"{key}" of a Release is not supported by the stand-in Kubernetes provider'
                    f'\nhint: remove "{key}", or use the official plugin'
                )
                raise StandInError(message)
        checked = dict(inputs)
        if not known.get("name"):
            checked["name"] = plain(olds).get("name") or unique_name(stem, seed)
        if not known.get("namespace"):
            checked["namespace"] = self._session.default_namespace
        if isinstance(known.get("chart"), str) and (content := chart_checksum(known["chart"])):
            checked[CHECKSUM] = content
        return checked

    def create(self, urn: str, inputs: Manifest, seconds: float, preview: bool) -> Done:
        """Install the release."""
        return self._put(urn, {}, inputs, seconds, preview)

    def update(
        self, urn: str, old: Manifest, inputs: Manifest, seconds: float, preview: bool
    ) -> Done:
        """Upgrade the release."""
        return self._put(urn, old, inputs, seconds, preview)

    def _put(
        self, urn: str, old: Manifest, inputs: Manifest, seconds: float, preview: bool
    ) -> Done:
        known = plain(inputs)
        with self._helm(connected=not preview) as helm:
            if preview:
                if not has_unknown(inputs):
                    chart = self._chart(helm, known)
                    arguments = ["template", known["name"], *chart, *self._values(helm, known)]
                    helm.run(*arguments, "--namespace", known["namespace"], cluster=False)
                return Done("", {**concealed(inputs, inputs), MARKER: "1"})
            self._clear_pending(helm, urn, old, known)
            try:
                self._upgrade(helm, urn, known, seconds)
            except HelmError as error:
                status = helm.find(known["name"], known["namespace"])
                if status is None:
                    raise
                failure = NotReadyError(str(error), self._reasons(status))
                state = self._state(inputs, status)
                raise InitError(identity(known), state, failure) from error
            status = helm.find(known["name"], known["namespace"]) or {}
            return Done(identity(known), self._state(inputs, status))

    def read(self, urn: str, known: str, old: Manifest, inputs: Manifest) -> Done | None:
        """Return the release as helm knows it, or None."""
        namespace, _, name = known.rpartition("/")
        namespace = namespace or self._session.default_namespace
        with self._helm(connected=True) as helm:
            status = helm.find(name, namespace)
            if status is None:
                return None
            text = helm.run("get", "values", name, "--namespace", namespace, "--output", "json")
            values = json.loads(text) or {}
        version = status.get("version")
        if not inputs:
            found: Manifest = {"chart": status.get("chart"), "version": version}
            found |= {"name": name, "namespace": namespace, "values": values}
        else:
            found = dict(inputs)
            if values != merged_values(plain(inputs)):
                found["values"] = values
            if inputs.get("version") and version and plain(inputs["version"]) != version:
                found["version"] = version
        found = concealed(found, inputs)
        state = self._state(found, status)
        shown = str(status.get("status", ""))
        if inputs and shown != "deployed":
            failure = NotReadyError(f'Release {known} is "{shown}"', self._reasons(status))
            raise InitError(known, state, failure, found)
        return Done(known, state, found)

    def delete(self, urn: str, old: Manifest, inputs: Manifest, seconds: float) -> None:
        """Uninstall the release."""
        known = plain(inputs) or plain(old)
        limit = int(seconds or known.get("timeout") or DEFAULT_SECONDS)
        with self._helm(connected=True) as helm:
            if helm.find(known["name"], known["namespace"]) is None:
                return
            arguments = ["uninstall", known["name"], "--namespace", known["namespace"]]
            wait = [] if known.get("skipAwait") else ["--wait"]
            helm.run(*arguments, *wait, "--timeout", f"{limit}s")

    def _helm(self, *, connected: bool) -> Any:
        target = self._session.cluster.target if connected else None
        return helm_for(target, self._session.redactor, self._session.stopped)

    def _clear_pending(self, helm: Helm, urn: str, old: Manifest, known: Manifest) -> None:
        """Clean up after a killed run; refuse a name that somebody else's release has."""
        place = (known["name"], "--namespace", known["namespace"])
        status = helm.find(known["name"], known["namespace"])
        if status is None:
            return
        if not old and (status.get("labels") or {}).get(OWNER_LABEL) != urn_hash(urn):
            message = (
                f"Release {identity(known)} is already there, made by others"
                "\nhint: helm uninstall it, or take it over with pulumi import"
            )
            raise StandInError(message)
        shown = str(status.get("status", ""))
        if shown == "pending-install":
            helm.run("uninstall", *place, "--wait")
        elif shown.startswith("pending-"):
            helm.run("rollback", *place)

    def _upgrade(self, helm: Helm, urn: str, known: Manifest, seconds: float) -> None:
        limit = int(seconds or known.get("timeout") or DEFAULT_SECONDS)
        arguments = [*self._chart(helm, known), *self._values(helm, known)]
        arguments += ["--namespace", known["namespace"], "--timeout", f"{limit}s"]
        arguments += ["--labels", f"{OWNER_LABEL}={urn_hash(urn)}"]
        arguments += [flag for key, flag in FLAGS.items() if known.get(key)]
        if known.get("atomic"):
            arguments.append("--rollback-on-failure" if helm_major() >= 4 else "--atomic")
        if known.get("forceUpdate"):
            arguments.append("--force-replace" if helm_major() >= 4 else "--force")
        if not known.get("skipAwait"):
            arguments.append("--wait")
        if known.get("maxHistory") is not None:
            arguments += ["--history-max", str(known["maxHistory"])]
        if known.get("description"):
            arguments += ["--description", known["description"]]
        self._session.tell(urn, f"helm upgrade --install {known['name']}")
        helm.run("upgrade", "--install", known["name"], *arguments)

    def _chart(self, helm: Helm, known: Manifest) -> list[str]:
        """Return the arguments that name the chart; a repository's password goes by stdin."""
        chart, version = str(known["chart"]), known.get("version")
        pinned = ["--version", str(version)] if version else []
        options = known.get("repositoryOpts") or {}
        files = {"caFile": "--ca-file", "certFile": "--cert-file", "keyFile": "--key-file"}
        tls = [
            part for key, flag in files.items() if options.get(key) for part in (flag, options[key])
        ]
        repository, password = options.get("repo"), str(options.get("password") or "")
        if repository and password:
            user = str(options.get("username") or "")
            login = ["repo", "add", "given", repository, "--username", user, "--password-stdin"]
            helm.run(*login, *tls, cluster=False, stdin=password)
            return [f"given/{chart}", *pinned]
        return [chart, *pinned, *(["--repo", repository] if repository else []), *tls]

    def _values(self, helm: Helm, known: Manifest) -> list[str]:
        values = merged_values(known)
        return ["--values", str(helm.values_file("values.yaml", values))] if values else []

    def _state(self, inputs: Manifest, status: Manifest) -> Manifest:
        told = ("appVersion", "chart", "name", "namespace", "revision", "status", "version")
        shown = {key: status.get(key, "") for key in told}
        names: dict[str, list[str]] = {}
        for item in manifests(status):
            place = (item.get("metadata") or {}).get("namespace")
            name = (item.get("metadata") or {}).get("name", "")
            key = f"{item.get('kind')}.{item.get('apiVersion')}"
            names.setdefault(key, []).append(f"{place}/{name}" if place else name)
        outputs = {**inputs, "status": shown, "resourceNames": names, MARKER: "1"}
        return concealed(outputs, inputs)

    def _reasons(self, status: Manifest) -> list[str]:
        """Return why the release's own workloads are not ready."""
        waiter, found = self._session.waiter, []
        for item in manifests(status):
            if not kind_key(item).startswith(("apps/", "batch/")):
                continue
            place = {"namespace": status.get("namespace"), **(item.get("metadata") or {})}
            live = self._session.cluster.find({**item, "metadata": place})
            if live is not None and not (verdict := waiter.verdict(live)).ready:
                found += [f"{title(live)}: {verdict.text}", *waiter.reasons(live)]
        return found


def identity(known: Manifest) -> str:
    """Return the id of a release."""
    return f"{known['namespace']}/{known['name']}"


def manifests(status: Manifest) -> list[Manifest]:
    """Return the objects of a release."""
    loaded = yaml.safe_load_all(str(status.get("manifest") or ""))
    return [item for item in loaded if isinstance(item, dict)]


def merged_values(known: Manifest) -> Manifest:
    """Return the values: those of the files first, then those of the program."""
    result: Manifest = {}
    for asset in known.get("valueYamlFiles") or []:
        result = merged(result, yaml.safe_load(asset_text(asset)) or {})
    return merged(result, known.get("values") or {})


def merged(base: Manifest, over: Manifest) -> Manifest:
    """Lay one set of values over another."""
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def asset_text(asset: Manifest) -> str:
    """Return the text of a file that the program passes."""
    if asset.get(SIGNATURE) == ASSET and asset.get("text"):
        return str(asset["text"])
    if asset.get(SIGNATURE) == ASSET and asset.get("path"):
        return Path(asset["path"]).read_text()
    message = "valueYamlFiles takes files and strings only\nhint: pulumi.FileAsset(PATH)"
    raise StandInError(message)


def chart_checksum(chart: str) -> str:
    """Return a digest of a chart that lies on this machine, so that an edit is a change."""
    path = Path(chart)
    if not path.exists():
        return ""
    digest = hashlib.sha256()
    files = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
    for item in files:
        digest.update(str(item.relative_to(path)).encode() + b"\0" + item.read_bytes() + b"\0")
    return digest.hexdigest()
