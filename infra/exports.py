"""What a stack tells: its address, and every image that it runs."""

from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as k8s

from infra.catalog import Catalog, digest_of
from infra.clusters.cluster import Cluster
from infra.schema import AppSettings
from infra.schema.edge_choices import app_scheme, behind_proxy


def known_url(cluster: Cluster, app: AppSettings) -> str | None:
    """Return the address that users call as the settings or the cluster say it, else None."""
    if app.url is not None:
        return app.url
    if cluster.url is not None:  # its scheme is the app's
        return f"{app_scheme(app)}://{cluster.url.partition('://')[2]}"
    return f"https://{app.edge.host}" if behind_proxy(app) else None


def service_url(
    cluster: Cluster, app: AppSettings, service: k8s.core.v1.Service, port: int
) -> pulumi.Output[str] | str:
    """Return the address that users call: what is known before, or the Service's."""
    known = known_url(cluster, app)
    if known is not None:
        return known
    scheme = app_scheme(app)
    if cluster.expose == "LoadBalancer":
        return service.status.apply(lambda status: f"{scheme}://{_balanced(status)}:{port}")
    return service.metadata.apply(
        lambda meta: f"{scheme}://{meta.name}.{meta.namespace}.svc:{port}"
    )


def inventory(
    built: Mapping[str, pulumi.Output[str]], catalog: Catalog, *, with_machine: bool
) -> pulumi.Output[list[dict[str, str | None]]]:
    """Return name, reference, digest (None: a tag only) and public source of every image."""
    named: dict[str, pulumi.Input[str]] = {**built, **catalog.third_party}
    if with_machine:
        named |= {"kind-node": catalog.kind_node, "registry": catalog.registry}
    return pulumi.Output.all(**named).apply(
        lambda images: [
            {
                "name": name,
                "image": image,
                "digest": digest_of(image),
                "source": catalog.sources.get(image, image),
            }
            for name, image in sorted(images.items())
        ]
    )


def _balanced(status: k8s.core.v1.outputs.ServiceStatus | None) -> str:
    """Return the load balancer's address; the provider waits until there is one."""
    balancer = status.load_balancer if status else None
    ingress = balancer.ingress if balancer else None
    if not ingress:
        message = (
            "the Service rag has no load balancer's address yet\n"
            "hint: kubectl get service rag --all-namespaces, or set app.url"
        )
        raise pulumi.RunError(message)
    return str(ingress[0].hostname or ingress[0].ip)
