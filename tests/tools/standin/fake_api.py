"""A small API server: discovery, server-side apply with owners, dry runs, logs, deletion."""

import copy
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
KINDS = {
    "v1": {
        "Namespace": ("namespaces", False),
        "ConfigMap": ("configmaps", True),
        "Secret": ("secrets", True),
        "Service": ("services", True),
        "Pod": ("pods", True),
        "Event": ("events", True),
        "PersistentVolumeClaim": ("persistentvolumeclaims", True),
    },
    "apps/v1": {
        "Deployment": ("deployments", True),
        "ReplicaSet": ("replicasets", True),
        "StatefulSet": ("statefulsets", True),
        "DaemonSet": ("daemonsets", True),
    },
    "batch/v1": {"Job": ("jobs", True)},
    "discovery.k8s.io/v1": {"EndpointSlice": ("endpointslices", True)},
    "storage.k8s.io/v1": {"StorageClass": ("storageclasses", False)},
}
PATH = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+/[^/]+))"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/))?(?:/(?P<plural>[^/]+))?(?:/(?P<name>[^/]+))?"
    r"(?:/(?P<sub>[^/]+))?$"
)
Key = tuple[str, str, str, str]


def leaves(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Return every leaf; a list counts as one, as atomic lists do."""
    if isinstance(value, dict) and value:
        return {p: v for key, item in value.items() for p, v in leaves(item, (*path, key)).items()}
    return {path: value}


def put(target: Json, path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        target = target.setdefault(key, {})
    target[path[-1]] = value


def drop(target: Json, path: tuple[str, ...]) -> None:
    for key in path[:-1]:
        target = target.get(key, {})
    target.pop(path[-1], None)


class FakeApi:
    """The server; tests read and change its objects directly."""

    def __init__(self) -> None:
        self.objects: dict[Key, Json] = {}
        self.owners: dict[Key, dict[tuple[str, ...], str]] = {}
        self.logs: dict[str, str] = {}
        self.requests: list[tuple[str, str]] = []
        self.refusals: list[tuple[str, int, Json]] = []
        self.keep_deleted = False
        self.lock = threading.RLock()
        self._counter = 0
        handler = type("Bound", (Handler,), {"api": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        self.store("v1", "Namespace", {"metadata": {"name": "rag-dev"}})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def kubeconfig(self, context: str = "kind-stackyard-dev", server: str = "") -> str:
        return json.dumps(
            {
                "clusters": [{"name": "c", "cluster": {"server": server or self.url}}],
                "users": [{"name": "u", "user": {"token": "the-admin-token"}}],
                "contexts": [{"name": context, "context": {"cluster": "c", "user": "u"}}],
                "current-context": context,
            }
        )

    def store(self, api: str, kind: str, item: Json, namespace: str = "rag-dev") -> Json:
        """Put an object there as a controller would."""
        plural, namespaced = KINDS[api][kind]
        meta = item.setdefault("metadata", {})
        if namespaced:
            meta.setdefault("namespace", namespace)
        with self.lock:
            self._counter += 1
            meta.setdefault("uid", f"uid-{self._counter}")
            meta.setdefault("generation", 1)
            item |= {"apiVersion": api, "kind": kind}
            self.objects[(api, plural, meta.get("namespace", ""), meta["name"])] = item
        return item

    def get(self, plural: str, name: str) -> Json | None:
        """Return one live object."""
        with self.lock:
            found = (v for k, v in self.objects.items() if k[1] == plural and k[3] == name)
            return copy.deepcopy(next(found, None))

    def change(self, plural: str, name: str, path: str, value: Any, manager: str = "") -> None:
        """Change one leaf of an object, as a controller or (with a manager) a person."""
        with self.lock:
            key = next(k for k in self.objects if k[1] == plural and k[3] == name)
            put(self.objects[key], tuple(path.split(".")), value)
            if manager:
                self.owners.setdefault(key, {})[tuple(path.split("."))] = manager

    def applied(self, key: Key, body: Json, manager: str, force: bool) -> tuple[int, Json]:
        owners = dict(self.owners.get(key, {}))
        live = copy.deepcopy(self.objects.get(key, {"metadata": {}}))
        before = copy.deepcopy(live.get("spec"))
        wanted, had = leaves(body), leaves(live)
        causes = []
        for path, value in wanted.items():
            other = owners.get(path, manager)
            if other != manager and had.get(path) != value:
                field, held = "." + ".".join(path), f'conflict with "{other}"'
                causes.append({"reason": "FieldManagerConflict", "message": held, "field": field})
        if causes and not force:
            return 409, {"reason": "Conflict", "details": {"causes": causes}, "message": "conflict"}
        for path in [p for p, m in owners.items() if m == manager and p not in wanted]:
            drop(live, path)
            del owners[path]
        for path, value in wanted.items():
            put(live, path, "1Gi" if value == "1024Mi" else value)
            owners[path] = manager
        meta = live["metadata"]
        meta.setdefault("uid", f"uid-of-{key[3]}")
        meta["generation"] = meta.get("generation", 0) + (before != live.get("spec"))
        meta["managedFields"] = [{"manager": m} for m in sorted(set(owners.values()))]
        self._staged = owners
        return 200, live


class Handler(BaseHTTPRequestHandler):
    """Answers as an API server does."""

    api: ClassVar[FakeApi]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else every answer takes 40 ms

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: the tests read `requests`."""

    def _answer(self, status: int, body: Json | str) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        with self.api.lock:
            self.api.requests.append((self.command, self.path))
            for refusal in self.api.refusals:
                if refusal[0] in f"{self.command} {self.path}":
                    self.api.refusals.remove(refusal)
                    return self._answer(refusal[1], refusal[2])
            status, answer = self._route(url.path, query, body)
        return self._answer(status, answer)

    do_GET = do_PATCH = do_DELETE = _handle

    def _route(self, path: str, query: dict[str, str], body: Json) -> tuple[int, Json | str]:
        match = PATH.fullmatch(path)
        if match is None:
            return 404, {"message": f"no path {path}"}
        group = match["core"] or match["group"]
        plural, name, namespace = match["plural"], match["name"] or "", match["namespace"] or ""
        if group not in KINDS:
            return 404, {"message": "the server could not find the requested resource"}
        if not plural:
            found = [
                {"kind": kind, "name": many, "namespaced": scoped}
                for kind, (many, scoped) in KINDS[group].items()
            ]
            return 200, {"resources": found}
        if match["sub"] == "log":
            return 200, self.api.logs.get(name, "")
        if not name:
            return 200, {"items": self._items(group, plural, namespace, query)}
        key = (group, plural, namespace, name)
        if self.command == "PATCH":
            return self._apply(key, query, body)
        if key not in self.api.objects:
            return 404, {"reason": "NotFound", "message": f'{plural} "{name}" not found'}
        if self.command == "DELETE":
            if self.api.keep_deleted:
                self.api.objects[key]["metadata"]["deletionTimestamp"] = "now"
                self.api.objects[key]["metadata"]["finalizers"] = ["tests/hold"]
            else:
                del self.api.objects[key]
                self.api.owners.pop(key, None)
            return 200, {}
        return 200, self.api.objects[key]

    def _items(self, group: str, plural: str, namespace: str, query: dict[str, str]) -> list[Json]:
        wanted = dict(
            part.split("=") for part in query.get("labelSelector", "").split(",") if "=" in part
        )
        uid = query.get("fieldSelector", "").partition("involvedObject.uid=")[2]
        return [
            item
            for key, item in self.api.objects.items()
            if key[:3] == (group, plural, namespace)
            and wanted.items() <= item["metadata"].get("labels", {}).items()
            and (not uid or item.get("involvedObject", {}).get("uid") == uid)
        ]

    def _apply(self, key: Key, query: dict[str, str], body: Json) -> tuple[int, Json]:
        if key[2] and ("v1", "namespaces", "", key[2]) not in self.api.objects:
            return 404, {"reason": "NotFound", "message": f'namespaces "{key[2]}" not found'}
        force = query["force"] == "true"
        status, answer = self.api.applied(key, body, query["fieldManager"], force)
        if status == 200 and "dryRun" not in query:
            self.api.objects[key] = answer
            self.api.owners[key] = self.api._staged
        return status, answer
