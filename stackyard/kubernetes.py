"""Reads objects of the cluster that a kubeconfig names, by the kubeconfig's own credentials."""

import re
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from stackyard.errors import Trouble
from stackyard.project import Stack
from tools.standin.errors import StandInError
from tools.standin.kubeconfig import bearer_token, exec_credential, read_target, tls_context

Json = dict[str, Any]  # Kubernetes' own JSON
SECONDS = 15


class Refused(Exception):
    """The API server answered with something other than the object."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Kubernetes:
    """One API server; what `create` and `delete` are for is the doctor's trial pod."""

    def __init__(self, kubeconfig: Path, context: str | None = None) -> None:
        if not kubeconfig.is_file():
            message = f"there is no kubeconfig at {kubeconfig}"
            raise Trouble(message, "set cluster.kubeconfig, or bring the stack up")
        try:
            target = read_target(str(kubeconfig), context)
            assert target is not None  # the file is there
            credential = exec_credential(target)
            token = bearer_token(target, credential)
            self.context = target.context
            self.server = target.server
            self._client = httpx.Client(
                base_url=target.server,
                verify=tls_context(target, credential),
                headers={"Authorization": f"Bearer {token}"} if token else {},
                timeout=SECONDS,
                trust_env=False,
            )
        except StandInError as error:
            what, _, hint = str(error).partition("\nhint: ")
            raise Trouble(what, hint or "kubectl config view") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def get(self, path: str) -> Json:
        """Return what is at a path. Raises Refused, or Trouble where no server answers."""
        return self._send("GET", path)

    def last_line(self, namespace: str, pod: str, container: str) -> str:
        """Return the last line that a container wrote; empty where there is none or we may not."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&tailLines=1"
        answer = self._answer("GET", path, None)
        # of a bar that is drawn over itself the last state
        return "" if answer.is_error else re.split(r"[\r\n]+", answer.text.strip())[-1]

    def items(self, path: str) -> list[Json]:
        """Return the items of a list."""
        return list(self.get(path).get("items") or [])

    def may(self, verb: str, resource: str, group: str = "", namespace: str = "") -> bool:
        """Say whether these credentials may do something, as `kubectl auth can-i` does."""
        attributes = {"verb": verb, "resource": resource, "group": group, "namespace": namespace}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return bool(self._send("POST", path, review).get("status", {}).get("allowed"))

    def create(self, path: str, body: Json) -> Json:
        """Make an object in a list."""
        return self._send("POST", path, body)

    def delete(self, path: str) -> None:
        """Remove an object. Raises Refused where there is none."""
        self._send("DELETE", path)

    def server_date(self) -> str:
        """Return the Date header of the API server's answer."""
        return str(self._answer("GET", "/version", None).headers.get("Date", ""))

    def _send(self, method: str, path: str, body: Json | None = None) -> Json:
        answer = self._answer(method, path, body)
        try:
            read = answer.json()
        except ValueError:
            read = {}
        if answer.is_error:
            message = str(read.get("message") or answer.text[:200] or answer.reason_phrase)
            raise Refused(answer.status_code, message)
        return dict(read)

    def _answer(self, method: str, path: str, body: Json | None) -> httpx.Response:
        try:
            return self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            message = f"the Kubernetes API at {self.server} does not answer: {error}"
            raise Trouble(message, f"kubectl --context {self.context} get nodes") from None


def kubernetes_of(stack: Stack) -> Kubernetes:
    """Return the cluster of a stack: the one that it made, or the one that its settings name."""
    made = stack.kubeconfig
    if stack.cluster_kind != "existing":
        return Kubernetes(made)
    path = stack.cluster_setting("kubeconfig")
    context = stack.cluster_setting("context")
    return Kubernetes(
        Path(str(path or "~/.kube/config")).expanduser(), str(context) if context else None
    )
