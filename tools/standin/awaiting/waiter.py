"""The loops that wait: until ready, until gone, until asked to stop."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tools.standin.awaiting import platform, workloads
from tools.standin.awaiting.verdict import READY, Verdict
from tools.standin.cluster import Cluster
from tools.standin.diffing import kind_key
from tools.standin.errors import NotReadyError, StandInError
from tools.standin.objects import metadata, name_of, title
from tools.standin.reasons import explained, object_events, troubles
from tools.standin.secrecy import Redactor
from tools.standin.wire import Manifest

CHECKS: Final[Mapping[str, Callable[[Manifest, Cluster], Verdict]]] = {
    "apps/Deployment": workloads.deployment,
    "apps/StatefulSet": workloads.stateful_set,
    "apps/DaemonSet": workloads.daemon_set,
    "batch/Job": workloads.job,
    "/Pod": workloads.pod,
    "/Service": platform.service,
    "/PersistentVolumeClaim": platform.volume_claim,
    "/Namespace": platform.namespace,
    "/ResourceQuota": platform.quota,
    "apiextensions.k8s.io/CustomResourceDefinition": platform.established,
}
WITH_PODS = frozenset(
    {"apps/Deployment", "apps/StatefulSet", "apps/DaemonSet", "batch/Job", "/Pod"}
)
# Seconds after which a pod in this state is given up. A registry may recover, a Secret may still
# come with the same update; a program that crashes may wait for another one, so it is not here.
GRACE: Final[Mapping[str, float]] = {
    "InvalidImageName": 5,
    "ErrImageNeverPull": 10,
    "CreateContainerConfigError": 60,
    "ErrImagePull": 90,
    "ImagePullBackOff": 90,
    "ReplicaFailure": 30,
}
# The kubelet goes back and forth between these while the pull keeps failing.
SAME = {"ErrImagePull": "ImagePullBackOff"}


@dataclass(frozen=True)
class Patience:
    """How long to wait, how often to look."""

    seconds: float = 600
    first_pause: float = 0.2
    longest_pause: float = 1.5
    pods_pause: float = 3
    grace: Mapping[str, float] = field(default_factory=lambda: GRACE)


class Waiter:
    """Waits for objects of one cluster."""

    def __init__(
        self,
        cluster: Cluster,
        redactor: Redactor,
        patience: Patience,
        stopped: threading.Event,
        tell: Callable[[str, str], None],
    ) -> None:
        self._cluster = cluster
        self._redactor = redactor
        self._patience = patience
        self._stopped = stopped
        self._tell = tell

    def verdict(self, live: Manifest) -> Verdict:
        """Look once."""
        check = CHECKS.get(kind_key(live))
        return check(live, self._cluster) if check else READY

    def until_ready(self, live: Manifest, seconds: float | None, urn: str) -> Manifest:
        """Return the live object once it is ready; else raise with the reasons."""
        seconds = seconds or self._patience.seconds
        start, pause, told = time.monotonic(), self._patience.first_pause, ""
        seen: dict[tuple[str, str], float] = {}
        next_pods = start + self._patience.pods_pause
        while True:
            verdict = self.verdict(live)
            if verdict.ready:
                if told:
                    self._tell(urn, f"{title(live)} is ready")
                return live
            if verdict.text != told:
                told = verdict.text
                self._tell(urn, f"waiting for {title(live)}: {told}")
            now = time.monotonic()
            lost = ""
            if now >= next_pods:
                next_pods = now + self._patience.pods_pause
                lost = self._hopeless(live, seen, now)
            if verdict.failed or lost:
                raise self._not_ready(live, lost or verdict.text, now - start)
            if now - start >= seconds:
                text = f"{verdict.text}; waited {seconds:.0f} s"
                raise self._not_ready(live, text, now - start)
            if self._stopped.wait(min(pause, max(seconds - (now - start), 0.01))):
                raise self._not_ready(live, f"{verdict.text}; cancelled", now - start)
            pause = min(pause * 1.3, self._patience.longest_pause)
            found = self._cluster.find(live)
            if found is None:
                message = f"{title(live)} was deleted while it was waited for"
                raise NotReadyError(message, [])
            live = found

    def _hopeless(self, live: Manifest, seen: dict[tuple[str, str], float], now: float) -> str:
        """Return what has been wrong for longer than its grace."""
        if kind_key(live) not in WITH_PODS:
            return ""
        current: dict[tuple[str, str], str] = {}
        for trouble in troubles(self._cluster, live):
            code = SAME.get(trouble.code, trouble.code)
            current[(trouble.pod + trouble.container, code)] = trouble.code
        for condition in (live.get("status") or {}).get("conditions") or []:
            if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
                current[("", "ReplicaFailure")] = condition.get("reason", "ReplicaFailure")
        for gone in seen.keys() - current.keys():
            del seen[gone]
        for key, shown in current.items():
            since = seen.setdefault(key, now)
            grace = self._patience.grace.get(key[1])
            if grace is not None and now - since >= grace:
                return f"{shown} for {now - since:.0f} s"
        return ""

    def reasons(self, live: Manifest) -> list[str]:
        """Return why the object is not ready."""
        if kind_key(live) in WITH_PODS or kind_key(live) in ("/Service", "/PersistentVolumeClaim"):
            return explained(self._cluster, live, self._redactor)
        return []

    def _not_ready(self, live: Manifest, text: str, elapsed: float) -> NotReadyError:
        namespace = metadata(live).get("namespace")
        scope = f" --namespace {namespace}" if namespace else ""
        hint = (
            f"hint: kubectl --context {self._cluster.target.context}{scope} "
            f"describe {str(live['kind']).lower()} {name_of(live)}"
        )
        summary = self._redactor.clean(f"{title(live)} is not ready: {text}")
        return NotReadyError(summary, [*self.reasons(live), hint])

    def until_gone(self, live: Manifest, seconds: float | None, urn: str) -> None:
        """Return once the object is gone; else raise with what holds it."""
        seconds = seconds or self._patience.seconds
        start, pause, uid = time.monotonic(), self._patience.first_pause, metadata(live).get("uid")
        self._tell(urn, f"waiting for {title(live)} to be gone")
        while found := self._cluster.find(live):
            if uid and metadata(found).get("uid") != uid:
                break
            waited = time.monotonic() - start
            if waited >= seconds or self._stopped.wait(min(pause, seconds - waited)):
                raise self._still_there(found, waited)
            pause = min(pause * 1.3, self._patience.longest_pause)
        self._tell(urn, f"{title(live)} is gone")

    def _still_there(self, live: Manifest, waited: float) -> StandInError:
        lines = [f"{title(live)} is still there after {waited:.0f} s"]
        held = metadata(live).get("finalizers") or []
        held = [*held, *((live.get("spec") or {}).get("finalizers") or [])]
        if held:
            lines.append(f"  finalizers: {', '.join(held)}")
        for condition in (live.get("status") or {}).get("conditions") or []:
            stuck = str(condition.get("type", "")).startswith("Namespace")
            if stuck and condition.get("status") == "True":
                lines.append(f"  {condition.get('message', '')}")
        lines.extend(f"  {event}" for event in object_events(self._cluster, live))
        lines.append(
            f"hint: kubectl --context {self._cluster.target.context} get "
            f"{str(live['kind']).lower()} {name_of(live)} --output yaml"
            + (
                f" --namespace {metadata(live)['namespace']}"
                if "namespace" in metadata(live)
                else ""
            )
        )
        return StandInError(self._redactor.clean("\n".join(lines)))
