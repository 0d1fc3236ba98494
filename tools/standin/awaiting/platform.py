"""When Services, volume claims, namespaces, quotas and resource definitions are ready."""

from tools.standin.awaiting.verdict import READY, Verdict, failed, waiting
from tools.standin.cluster import Cluster
from tools.standin.errors import ApiError
from tools.standin.objects import metadata, name_of
from tools.standin.wire import Manifest


def service(live: Manifest, cluster: Cluster) -> Verdict:
    """A pod stands behind it, and a load balancer has its address."""
    spec = live.get("spec") or {}
    kind = spec.get("type", "ClusterIP")
    if kind == "LoadBalancer" and not (
        ((live.get("status") or {}).get("loadBalancer") or {}).get("ingress")
    ):
        return waiting("the load balancer has no address")
    # a headless service is often what its own pods wait for
    if kind == "ExternalName" or spec.get("clusterIP") == "None" or not spec.get("selector"):
        return READY
    slices = cluster.listed(
        f"/apis/discovery.k8s.io/v1/namespaces/{metadata(live)['namespace']}/endpointslices",
        {"labelSelector": f"kubernetes.io/service-name={name_of(live)}"},
    )
    served = any(
        (endpoint.get("conditions") or {}).get("ready") is not False
        for item in slices
        for endpoint in item.get("endpoints") or []
    )
    return READY if served else waiting("no ready pod stands behind it")


def volume_claim(live: Manifest, cluster: Cluster) -> Verdict:
    """It is bound, or will be with its first consumer."""
    phase = (live.get("status") or {}).get("phase", "Pending")
    if phase == "Bound":
        return READY
    if phase == "Lost":
        return failed("its volume is lost")
    name = (live.get("spec") or {}).get("storageClassName")
    if name:
        try:
            found = cluster.request("GET", f"/apis/storage.k8s.io/v1/storageclasses/{name}")
        except ApiError as error:
            if error.status != 404:
                raise
            # a class of that name may also exist on hand-made volumes only
            return waiting(f'it is {phase}, there is no storage class "{name}"')
        if found.get("volumeBindingMode") == "WaitForFirstConsumer":
            return READY
    return waiting(f"it is {phase}")


def namespace(live: Manifest, cluster: Cluster) -> Verdict:
    """It takes objects."""
    phase = (live.get("status") or {}).get("phase", "Active")
    return READY if phase == "Active" else waiting(f"it is {phase}")


def quota(live: Manifest, cluster: Cluster) -> Verdict:
    """It counts, and so lets pods in: until then each of them is refused."""
    wanted = (live.get("spec") or {}).get("hard") or {}
    counted = (live.get("status") or {}).get("hard") or {}
    return READY if counted == wanted else waiting("it does not count yet")


def established(live: Manifest, cluster: Cluster) -> Verdict:
    """The API server serves the new kind."""
    conditions = (live.get("status") or {}).get("conditions") or []
    for condition in conditions:
        if condition["type"] == "NamesAccepted" and condition["status"] == "False":
            return waiting(f"its names are taken: {condition.get('message', '')}")
    if any(item["type"] == "Established" and item["status"] == "True" for item in conditions):
        return READY
    return waiting("the API server does not serve it yet")
