"""The table of contents: settings, catalog, cluster, models, Qdrant, app, exports."""

import pulumi

from infra import demand
from infra.autoscaling import Scaled, autoscale
from infra.catalog import build_catalog, nim_images
from infra.clusters import build_cluster
from infra.clusters.aws_place import eks_registry
from infra.components import backups, bulk_load, model_server, qdrant, rag_inputs
from infra.components.admission import AdmissionPolicies
from infra.components.backups import Backups, BackupsArgs, bucket_args
from infra.components.certificate import Certificate, CertificateArgs
from infra.components.edges import edges
from infra.components.front_door import FrontDoor, FrontDoorArgs, callers
from infra.components.generated_secret import GeneratedSecret
from infra.components.gpu_operator_values import target_of
from infra.components.model_import import import_name
from infra.components.namespaces import LEVEL
from infra.components.network_policies import Edge, NetworkPolicies, Workload
from infra.components.nim_download import download_name
from infra.components.nim_service import download_labels, server_labels
from infra.components.qdrant import Qdrant, QdrantArgs
from infra.components.rag_app import RagApp
from infra.components.rag_inputs import RagAppArgs, keys_in
from infra.components.scaling import scalings
from infra.components.scope import Scope
from infra.components.way_out import WayOut, way_out
from infra.exports import inventory, known_url, service_url
from infra.ground import Given, Ground
from infra.lock import Lock
from infra.machine import Machine, load_machine
from infra.models import build_models
from infra.models.endpoint import ModelEndpoint
from infra.nim_ground import NimGround
from infra.planned import Planner, heed
from infra.reach import dns_ranges
from infra.registry import Registry
from infra.schema import Settings
from infra.schema.edge_choices import app_scheme, behind_proxy, certificate_hosts, public_hosts
from infra.schema.gpu_choices import nim_operator_mode
from infra.schema.scaling_choices import keda_mode, store_copies, store_shards
from infra.schema.tls_choices import plain_roles
from infra.settings import load_file, load_lock, load_secrets, load_settings


def deploy(*, listing: bool = False, planner: Planner | None = None) -> None:
    """Deploy the selected stack.

    `listing`: to see what it needs, before a bundle's lock says which digest each part has.
    `planner`: says whether its models fit on its GPUs, before anything is made.
    """
    settings = load_settings(pulumi.get_stack(), listing=listing)
    if planner is not None:
        heed(planner, pulumi.get_stack(), settings)
    secrets = load_secrets()
    # what this machine lacks says nothing about a cluster elsewhere
    machine = load_machine() if settings.cluster.kind == "local" else Machine()
    mirror = mirror_of(settings, pulumi.get_stack())
    target = target_of(settings)
    lock = Lock() if listing else load_lock(settings)
    catalog = build_catalog(
        machine,
        mirror,
        nim=nim_images(settings),
        operator=target.images if target else (),
        keda=keda_mode(settings) == "install",
        nim_operator=nim_operator_mode(settings) == "install",
        digests=lock.digests,
    )
    cluster = build_cluster(settings, catalog, machine)
    if settings.cluster.bare and not listing:
        pulumi.export("kubeconfig", cluster.kubeconfig and pulumi.Output.secret(cluster.kubeconfig))
        return
    given = Given(
        settings,
        secrets,
        lock,
        load_file(settings.registry.ca),
        sealed=settings.airgapped and not listing,
    )
    Stack(Ground(given, catalog, cluster)).deploy()


def mirror_of(settings: Settings, stack: str) -> Registry | None:
    """Return the registry that third-party images are taken from, None for the public ones."""
    registry = settings.registry
    if not registry.mirrored:
        return None
    if settings.cluster.kind == "eks":
        return eks_registry(settings, stack)
    return Registry(registry.host, registry.prefix) if registry.host is not None else None


class Stack:
    """One stack on its cluster."""

    def __init__(self, ground: Ground) -> None:
        self.ground, self.nims = ground, NimGround(ground)
        self.settings, self.secrets = ground.settings, ground.secrets
        self.catalog, self.cluster, self.opts = ground.catalog, ground.cluster, ground.opts
        self.servers: Scope | None = None
        self.scalings = scalings(self.settings, nim_images(self.settings))

    def deploy(self) -> None:
        scope = self.ground.namespace("rag", demand.of_app(self.settings), calls=True)
        inside = self.ground.inside.certificates if self.ground.inside else {}
        for role, why in plain_roles(self.settings).items():
            pulumi.log.warn(f"{role} is reached in plain HTTP in spite of network.tls: {why}")
        models = build_models(
            self.settings.models,
            self.secrets,
            self._model_place,
            lambda: self.nims.place(self._model_scope()),
            self.scalings,
            inside,
            self.opts,
        )
        store = Qdrant(
            "qdrant",
            QdrantArgs(
                scope=scope,
                image=self.catalog.qdrant or self.ground.image("qdrant"),
                official=self.catalog.qdrant is not None,
                storage=self.settings.qdrant.storage,
                nodes=self.settings.qdrant.nodes,
                version=self.catalog.qdrant_version,
                certificate=inside.get("qdrant"),
            ),
            self.opts,
        )
        api_keys = self.secrets.get("appApiKeys") or GeneratedSecret("rag-key", "API key").value
        certificate = self._certificate(scope)
        end_here = app_scheme(self.settings.app) == "https"
        own = certificate.secret if certificate is not None and end_here else None
        app = RagApp(
            "rag",
            RagAppArgs(
                scope=scope,
                image=self.ground.image("app"),
                settings=self.settings.app,
                access=self.settings.access,
                models=models,
                qdrant_url=store.url,
                qdrant_api_key=store.api_key,
                qdrant_read_api_key=store.read_only_api_key,
                shards=store_shards(self.settings),
                copies=store_copies(self.settings),
                api_keys=api_keys,
                expose=self.cluster.expose,
                node_port=self.cluster.node_port,
                load_balancer=self.cluster.load_balancer,
                certificate=own,
                url=known_url(self.cluster, self.settings.app),
                client_secret=self.secrets.get("oidcClientSecret"),
                backup_keys=self.secrets.get("backupKeys"),
                velero=self.settings.backup.velero,
            ),
            self.opts,
        )
        servers = {
            role: Workload(
                name=role,
                scope=self.servers,
                port=model_server.PORT,
                labels=server_labels(role) if self.nims.serves(role) else None,
            )
            for role in models
            if self.servers is not None
        }
        out = way_out(self.settings)
        served = Workload(name="rag", scope=scope, port=rag_inputs.PORT)
        table = edges(
            app=served,
            qdrant=Workload(name="qdrant", scope=scope, port=qdrant.PORT),
            models=models.values(),
            provider=self.settings.access.asked_provider,
            traces=self.settings.app.traces,
            servers=servers,
            bulk=(
                Workload(name=bulk_load.NAME, scope=scope, port=rag_inputs.PORT)
                if self.settings.app.bulk_workers
                else None
            ),
            downloads=[
                Workload(
                    name=download_name(role),
                    scope=self.servers,
                    port=model_server.PORT,
                    labels=download_labels(role) if self.nims.serves(role) else None,
                )
                for role in self.catalog.nim
                if self.servers is not None and self.nims.downloads(role)
            ],
            imports=[
                Workload(name=import_name(role), scope=self.servers, port=model_server.PORT)
                for role in self.nims.artefacts()
                if self.servers is not None
            ],
            registry=self.cluster.registry.host,
            out=out,
            callers=self._front_door(scope, served, certificate),
        )
        table += self._backups(scope, served, api_keys, own, out)
        scopes = [scope, self.servers] if self.servers else [scope]
        if self.settings.qdrant.nodes > 1:
            node = Workload(name="qdrant", scope=scope, port=qdrant.PEER_PORT)
            table.append(Edge(source=node, target=node, port=node.port))
        table += self._autoscale(servers, models)
        dns = dns_ranges(self.settings)
        NetworkPolicies("network", scopes, table, dns, self.opts)
        if self.settings.policy.admission != "off":
            AdmissionPolicies("admission", scopes, self.settings.policy.admission, self.opts)

        pulumi.export(
            "url", service_url(self.cluster, self.settings.app, app.service, rag_inputs.PORT)
        )
        if certificate is not None and certificate.ca is not None:
            pulumi.export("ca", certificate.ca)
        pulumi.export("apiKey", pulumi.Output.secret(api_keys.apply(lambda k: keys_in(k)[0])))
        if self.cluster.kubeconfig is not None:
            pulumi.export("kubeconfig", pulumi.Output.secret(self.cluster.kubeconfig))
        local = self.settings.cluster.kind == "local"
        pulumi.export("inventory", inventory(self.ground.images, self.catalog, with_machine=local))

    def _certificate(self, scope: Scope) -> Certificate | None:
        """Make or name the certificate that callers see; None where nobody of ours ends TLS."""
        settings = self.settings.app.tls
        if settings.mode == "none":
            return None
        signed_here = settings.mode == "selfSigned"
        hosts = (
            certificate_hosts(self.settings, "rag", scope.name)
            if signed_here
            else public_hosts(self.settings.app)
        )
        args = CertificateArgs(
            scope=scope, settings=settings, hosts=hosts, ca=load_file(settings.ca)
        )
        return Certificate("rag-tls", args, self.opts)

    def _front_door(
        self, scope: Scope, app: Workload, certificate: Certificate | None
    ) -> list[Edge]:
        """Make the way through the site's own proxy; return who may call the app then."""
        settings = self.settings.app
        if not behind_proxy(settings):
            return []
        ended = certificate is not None and not settings.edge.passthrough
        args = FrontDoorArgs(
            scope=scope,
            settings=settings.edge,
            gateway=settings.expose == "Gateway",
            service=app.name,
            port=app.port,
            certificate=certificate.secret if certificate is not None and ended else None,
        )
        FrontDoor("rag-door", args, self.opts)
        return callers(settings.edge, app)

    def _backups(
        self,
        scope: Scope,
        app: Workload,
        api_keys: pulumi.Output[str],
        certificate: pulumi.Output[str] | None,
        out: WayOut,
    ) -> list[Edge]:
        """Make the backups by the clock or by what changes; return the ways that they need."""
        settings = self.settings.backup
        if not settings.by_itself:
            return []
        bucket = bucket_args(self.settings, self.secrets.get("backupBucketKey"))
        args = BackupsArgs(
            scope=scope,
            image=self.ground.images["app"],
            settings=settings,
            api_keys=api_keys,
            certificate=certificate,
            bucket=bucket,
        )
        Backups("backup", args, self.opts)
        return backups.ways(app, bucket, out)

    def _autoscale(
        self, servers: dict[str, Workload], models: dict[str, ModelEndpoint]
    ) -> list[Edge]:
        if self.servers is None or not self.scalings:
            return []
        made = {role: each.server for role, each in models.items() if each.server is not None}
        scaled = Scaled(scope=self.servers, servers=servers, made=made, scalings=self.scalings)
        return autoscale(scaled, self.ground)

    def _model_scope(self) -> Scope:
        if self.servers is None:
            # the NIM operator gives its pods no seccomp profile, which `restricted` asks for
            level = "baseline" if self.nims.operated else LEVEL
            asked = demand.of_models(self.settings, self.scalings)
            self.servers = self.ground.namespace("models", asked, level)
        return self.servers

    def _model_place(self) -> tuple[Scope, pulumi.Output[str]]:
        return self._model_scope(), self.ground.image("models")
