"""When Deployments, StatefulSets, DaemonSets, Jobs and Pods are ready."""

from tools.standin.awaiting.verdict import READY, Verdict, failed, waiting
from tools.standin.cluster import Cluster
from tools.standin.objects import metadata
from tools.standin.reasons import is_ready
from tools.standin.wire import Manifest


def _conditions(live: Manifest) -> dict[str, Manifest]:
    return {item["type"]: item for item in (live.get("status") or {}).get("conditions") or []}


def _unseen(live: Manifest) -> bool:
    seen = (live.get("status") or {}).get("observedGeneration", 0)
    return bool(seen < metadata(live).get("generation", 0))


def _replicas(live: Manifest) -> int:
    wanted = (live.get("spec") or {}).get("replicas")
    return 1 if wanted is None else int(wanted)


def deployment(live: Manifest, cluster: Cluster) -> Verdict:
    """All replicas are of the newest revision and available, the old ones are gone."""
    if (live.get("spec") or {}).get("paused"):
        return READY
    if _unseen(live):
        return waiting("the controller has not seen it yet")
    progressing = _conditions(live).get("Progressing", {})
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return failed(f"no progress within {live['spec'].get('progressDeadlineSeconds', 600)} s")
    status, wanted = live.get("status") or {}, _replicas(live)
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if updated < wanted:
        return waiting(f"{updated} of {wanted} replicas are of the new revision")
    if status.get("replicas", 0) > updated:
        return waiting(f"{status['replicas'] - updated} replicas of the old revision still run")
    if available < wanted:
        return waiting(f"{available} of {wanted} replicas are available")
    return READY


def stateful_set(live: Manifest, cluster: Cluster) -> Verdict:
    """All replicas are ready and of the newest revision."""
    if _unseen(live):
        return waiting("the controller has not seen it yet")
    status, spec, wanted = live.get("status") or {}, live.get("spec") or {}, _replicas(live)
    ready = status.get("readyReplicas", 0)
    if ready < wanted or status.get("availableReplicas", ready) < wanted:
        return waiting(f"{ready} of {wanted} replicas are ready")
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return READY
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    updated = status.get("updatedReplicas", 0)
    current = status.get("currentRevision") == status.get("updateRevision")
    if updated < wanted - partition or (not partition and not current):
        return waiting(f"{updated} of {wanted} replicas are of the new revision")
    return READY


def daemon_set(live: Manifest, cluster: Cluster) -> Verdict:
    """Every node that should run it does."""
    if _unseen(live):
        return waiting("the controller has not seen it yet")
    status = live.get("status") or {}
    wanted = status.get("desiredNumberScheduled", 0)
    available = status.get("numberAvailable", 0)
    on_delete = (live["spec"].get("updateStrategy") or {}).get("type") == "OnDelete"
    updated = wanted if on_delete else status.get("updatedNumberScheduled", 0)
    if min(available, updated) < wanted:
        return waiting(f"{min(available, updated)} of {wanted} nodes run it")
    return READY


def job(live: Manifest, cluster: Cluster) -> Verdict:
    """It has completed."""
    conditions = _conditions(live)
    if conditions.get("Complete", {}).get("status") == "True":
        return READY
    failure = conditions.get("Failed", {})
    if failure.get("status") == "True":
        return failed(f"it failed: {failure.get('message', failure.get('reason', ''))}")
    if (live.get("spec") or {}).get("suspend"):
        return READY
    status = live.get("status") or {}
    wanted = (live.get("spec") or {}).get("completions") or 1
    return waiting(
        f"{status.get('succeeded', 0)} of {wanted} completions, {status.get('failed', 0)} failed"
    )


def pod(live: Manifest, cluster: Cluster) -> Verdict:
    """It serves, or has done its work."""
    if is_ready(live):
        return READY
    phase = (live.get("status") or {}).get("phase", "Pending")
    return failed("it failed") if phase == "Failed" else waiting(f"it is {phase}")
