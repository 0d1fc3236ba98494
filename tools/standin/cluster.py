"""Talks to one API server: pooled HTTPS, discovery, server-side apply."""

import json
import threading
import time
from collections.abc import Mapping

import httpx

from tools.standin.errors import ApiError, StandInError, UnknownKindError, UnreachableError
from tools.standin.kubeconfig import Target, bearer_token, exec_credential, tls_context
from tools.standin.objects import identifier, metadata, name_of
from tools.standin.wire import Manifest

REQUEST_SECONDS = 60
# The engine works on up to this many resources at once.
CONNECTIONS = 64
# An API server that restarts is back within seconds.
ATTEMPTS = 5
RESTART_SECONDS = 0.4
APPLY = "application/apply-patch+yaml"
CLUSTER_SCOPED = frozenset(
    {
        "APIService",
        "CSIDriver",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "RuntimeClass",
        "StorageClass",
        "ValidatingWebhookConfiguration",
    }
)


class Cluster:
    """One API server and the credentials for it."""

    def __init__(self, target: Target, default_namespace: str | None = None) -> None:
        self.target = target
        self.default_namespace = default_namespace or target.namespace
        self._lock = threading.Lock()
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}
        self._client: httpx.Client | None = None
        self._retired: list[httpx.Client] = []
        self._token: str | None = None
        self._answered = False

    def _connected(self, *, renew: bool = False) -> httpx.Client:
        with self._lock:
            if self._client is None or renew:
                if self._client is not None:
                    self._retired.append(self._client)  # other threads may still use it
                credential = exec_credential(self.target)
                self._token = bearer_token(self.target, credential)
                self._client = httpx.Client(
                    base_url=self.target.server,
                    verify=tls_context(self.target, credential),
                    timeout=REQUEST_SECONDS,
                    limits=httpx.Limits(
                        max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS
                    ),
                    trust_env=False,
                )
            return self._client

    def close(self) -> None:
        """Let the connections go."""
        with self._lock:
            for client in (*self._retired, *filter(None, [self._client])):
                client.close()
            self._retired, self._client = [], None

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = "application/json",
        what: str = "",
    ) -> Manifest:
        """Send one request and return the JSON of the answer."""
        answer = self._send(method, path, query, body, content_type, what)
        return dict(answer.json()) if answer.content else {}

    def text(self, path: str, query: Mapping[str, str]) -> str:
        """Return an answer that is not JSON: a container's log."""
        return self._send("GET", path, query, None, "application/json", path).text

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Manifest | None,
        content_type: str,
        what: str,
    ) -> httpx.Response:
        renew = False
        for attempt in range(1, ATTEMPTS + 1):
            client = self._connected(renew=renew)
            headers = {"Content-Type": content_type}
            if self._token:
                headers["Authorization"] = f"Bearer {self._token}"
            try:
                answer = client.request(
                    method,
                    path,
                    params=dict(query or {}),
                    content=None if body is None else json.dumps(body).encode(),
                    headers=headers,
                )
            except httpx.TransportError as error:
                # every request here may be sent twice: reads, applies, deletions
                # a first handshake of many at once has failed where the server was well
                never_there = isinstance(error, httpx.ConnectError) and not self._answered
                if attempt == ATTEMPTS or (never_there and attempt > 1):
                    raise self._unreachable(error) from error
                time.sleep(RESTART_SECONDS * attempt)
                continue
            self._answered = True
            if answer.is_success:
                return answer
            busy = answer.status_code in (429, 502, 503, 504)
            if attempt < ATTEMPTS and (busy or (answer.status_code == 401 and not renew)):
                renew = answer.status_code == 401
                time.sleep(min(float(answer.headers.get("Retry-After", 0.2 * attempt)), 5))
                continue
            raise refusal(what or path, answer)
        message = f"{what or path}: no answer after {ATTEMPTS} attempts"
        raise UnreachableError(message)

    def _unreachable(self, error: Exception) -> StandInError:
        message = (
            f'API server "{self.target.server}" of context "{self.target.context}" does not '
            f"answer: {error}\nhint: kubectl --context {self.target.context} get namespaces"
        )
        return UnreachableError(message)

    def resource(self, api: str, kind: str) -> tuple[str, str, bool]:
        """Return the API root, the plural and whether the kind lives in namespaces."""
        root = f"/apis/{api}" if "/" in api else f"/api/{api}"
        for fresh in (False, True):
            if fresh or api not in self._kinds:
                try:
                    listed = self.request("GET", root).get("resources") or []
                except ApiError as error:
                    if error.status != 404:
                        raise
                    listed = []
                self._kinds[api] = {
                    item["kind"]: (item["name"], bool(item["namespaced"]))
                    for item in listed
                    if "/" not in item["name"]
                }
            if found := self._kinds[api].get(kind):
                return root, *found
        message = (
            f'the API server serves no "{kind}" in "{api}"'
            f"\nhint: kubectl api-resources --api-group={api.rpartition('/')[0]}"
        )
        raise UnknownKindError(message)

    def namespaced(self, api: str, kind: str) -> bool:
        """Tell whether the kind lives in namespaces; built-in kinds are known offline."""
        if kind in CLUSTER_SCOPED:
            return False
        try:
            return self.resource(api, kind)[2]
        except (UnknownKindError, UnreachableError):
            return True

    def placed(self, manifest: Manifest) -> Manifest:
        """Return the object with the namespace that it will live in."""
        namespaced = self.resource(manifest["apiVersion"], manifest["kind"])[2]
        if not namespaced or metadata(manifest).get("namespace"):
            return manifest
        return {
            **manifest,
            "metadata": {**metadata(manifest), "namespace": self.default_namespace},
        }

    def path(self, manifest: Manifest) -> str:
        """Return the object's path."""
        root, plural, namespaced = self.resource(manifest["apiVersion"], manifest["kind"])
        namespace = metadata(manifest).get("namespace") or self.default_namespace
        scope = f"/namespaces/{namespace}" if namespaced else ""
        return f"{root}{scope}/{plural}/{name_of(manifest)}"

    def find(self, manifest: Manifest) -> Manifest | None:
        """Return the live object, or None where there is none."""
        try:
            return self.request("GET", self.path(manifest), what=_called(manifest))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def apply(
        self, manifest: Manifest, manager: str, *, force: bool = False, dry_run: bool = False
    ) -> Manifest:
        """Apply the object on the server's side, or only try to."""
        query = {"fieldManager": manager, "force": str(force).lower()}
        if dry_run:
            query["dryRun"] = "All"
        return self.request(
            "PATCH",
            self.path(manifest),
            query=query,
            body=manifest,
            content_type=APPLY,
            what=_called(manifest),
        )

    def delete(self, manifest: Manifest, propagation: str) -> None:
        """Ask for the object's deletion; one that is gone already is fine."""
        query = {"propagationPolicy": propagation}
        try:
            self.request("DELETE", self.path(manifest), query=query, what=_called(manifest))
        except ApiError as error:
            if error.status != 404:
                raise

    def listed(self, path: str, query: Mapping[str, str] | None = None) -> list[Manifest]:
        """Return the items at a path."""
        return list(self.request("GET", path, query=query).get("items") or [])


def _called(manifest: Manifest) -> str:
    return f"{manifest['kind']} {identifier(manifest)}"


def refusal(what: str, answer: httpx.Response) -> ApiError:
    """Turn the server's Status into an error that names field and manager of a conflict."""
    try:
        status = answer.json()
    except ValueError:
        status = {"message": answer.text[:500]}
    if not isinstance(status, dict):
        status = {}
    message = str(status.get("message") or answer.reason_phrase)
    causes = (status.get("details") or {}).get("causes") or []
    conflicts = tuple(
        (str(cause.get("field", "")), str(cause.get("message", "")))
        for cause in causes
        if cause.get("reason") == "FieldManagerConflict"
    )
    if conflicts:
        lines = [f"  field {field}: {held}" for field, held in conflicts]
        message = "\n".join(
            [
                "other field managers hold what the program sets:",
                *lines,
                'hint: set the annotation pulumi.com/patchForce: "true" on the resource to take '
                "these fields over",
            ]
        )
    reason = str(status.get("reason", ""))
    return ApiError(what, answer.status_code, reason, message, conflicts)
