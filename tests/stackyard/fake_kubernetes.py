"""A stand-in for an API server: objects by their path, access reviews, a clock of its own.

It stands for clusters that cannot be had here: with GPUs, or with what is wrong in them.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
NODES = "/api/v1/nodes"


class FakeKubernetes:
    """The server; tests change its members between requests."""

    def __init__(self) -> None:
        self.lists: dict[str, list[Json]] = {}  # path of a list -> its items
        self.denied: set[tuple[str, str]] = set()  # resource, namespace ("" for everywhere)
        self.refused: dict[str, int] = {}  # path -> status in place of an answer
        self.logs: dict[tuple[str, str], str] = {}  # pod, container -> what it wrote
        self.made: list[Json] = []  # what was created, as it was given
        self.made_status: Json = {}  # what of an object appears once it is created
        self.minor = "35"
        self.date: str | None = None
        handler = type("Bound", (Handler,), {"fake": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
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

    def kubeconfig(self, folder: Path) -> Path:
        """Write a kubeconfig for this server and return its path."""
        config = {
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "gpu", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "gpu",
        }
        path = folder / "kubeconfig"
        path.write_text(json.dumps(config))
        return path

    def answer(self, method: str, path: str, body: Json) -> tuple[int, Json]:
        if path in self.refused:
            return self.refused[path], {"message": "nodes is forbidden"}
        if path == "/version":
            return 200, {"gitVersion": f"v1.{self.minor}.2", "major": "1", "minor": self.minor}
        if method == "POST" and path == REVIEWS:
            asked = body["spec"]["resourceAttributes"]
            key = (asked["resource"], asked["namespace"])
            return 201, {"status": {"allowed": key not in self.denied}}
        if method == "POST":
            self.made.append(body)
            self.lists.setdefault(path, []).append({**body, **self.made_status})
            return 201, body
        if method == "DELETE":
            above, _, name = path.rpartition("/")
            left = [e for e in self.lists.get(above, []) if e["metadata"]["name"] != name]
            gone = len(left) < len(self.lists.get(above, []))
            self.lists[above] = left
            return (200, {}) if gone else (404, {"message": f"{name} not found"})
        if path in self.lists:
            return 200, {"items": self.lists[path]}
        above, _, name = path.rpartition("/")
        for item in self.lists.get(above, []):
            if item["metadata"]["name"] == name:
                return 200, item
        if above.rpartition("/")[2] in ("namespaces",):
            return 404, {"message": f'namespaces "{name}" not found'}
        return 200, {"items": []}


class Handler(BaseHTTPRequestHandler):
    """Answers as an API server does."""

    fake: ClassVar[FakeKubernetes]

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        return self.fake.date or super().date_time_string(timestamp)

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        asked = urlsplit(self.path)
        status, answer = self.fake.answer(self.command, asked.path, body)
        data, kind = json.dumps(answer).encode(), "application/json"
        if asked.path.endswith("/log"):
            query = parse_qs(asked.query)
            written = self.fake.logs.get((asked.path.split("/")[-2], query["container"][0]))
            lines = (written or "").splitlines(keepends=True)[-int(query["tailLines"][0]) :]
            status = 400 if written is None else 200
            data, kind = "".join(lines).encode(), "text/plain"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = _handle


def gpu_node(name: str = "gpu-1", **changes: Any) -> Json:
    """Return a healthy GPU node as discovery, the operator and the kubelet describe it."""
    labels = {
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.product": "NVIDIA-L40S",
        "nvidia.com/gpu.count": "1",
        "nvidia.com/cuda.driver-version.major": "580",
        "nvidia.com/cuda.driver-version.full": "580.159.03",
    }
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-26T10:03:00Z"}
    node: Json = {
        "metadata": {
            "name": name,
            "labels": labels | changes.get("labels", {}),
            "creationTimestamp": "2026-11-26T10:00:00Z",
        },
        "spec": {
            "taints": changes.get("taints", [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}])
        },
        "status": {
            "conditions": [ready, *changes.get("conditions", [])],
            "allocatable": {
                "cpu": "15890m",
                "memory": "128Gi",
                "ephemeral-storage": "190Gi",
                "nvidia.com/gpu": "1",
            }
            | changes.get("allocatable", {}),
            "nodeInfo": {
                "osImage": "Ubuntu 24.04",
                "kernelVersion": "6.8.0",
                "containerRuntimeVersion": changes.get("runtime", "containerd://2.2.4"),
            },
        },
    }
    for label in changes.get("without", []):
        del node["metadata"]["labels"][label]
    return node
