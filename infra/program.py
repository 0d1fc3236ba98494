"""The table of contents: settings, catalog, cluster, models, Qdrant, app, exports."""

from dataclasses import dataclass

import pulumi

from infra.autoscaling import Scaled, by_keda, stand_in
from infra.catalog import Catalog, build_catalog, nim_images
from infra.clusters import build_cluster
from infra.clusters.aws_place import eks_registry
from infra.clusters.cluster import Cluster
from infra.components import backups, model_server, qdrant, rag_app
from infra.components.admission import AdmissionPolicies
from infra.components.backups import Backups, BackupsArgs
from infra.components.generated_secret import GeneratedSecret
from infra.components.gpu_operator import GpuOperator, GpuOperatorArgs
from infra.components.gpu_operator_values import target_of
from infra.components.image import Image
from infra.components.image_copy import ImageCopy
from infra.components.model_import import import_name
from infra.components.namespaces import LEVEL, StackNamespace
from infra.components.network_policies import (
    ANYWHERE,
    Edge,
    NetworkPolicies,
    Workload,
    edges,
    registry_peer,
)
from infra.components.ngc_secrets import HOST as NVIDIA_HOST
from infra.components.ngc_secrets import USERNAME as NVIDIA_USER
from infra.components.ngc_secrets import NgcSecrets, NgcSecretsArgs
from infra.components.nim_download import download_name
from infra.components.nim_operator import NimOperator, NimOperatorArgs
from infra.components.nim_service import download_labels, server_labels
from infra.components.outward import proxy_environment
from infra.components.pull_secret import PullCredentials
from infra.components.qdrant import Qdrant, QdrantArgs
from infra.components.rag_app import RagApp, RagAppArgs, keys_in
from infra.components.scaling import scalings
from infra.components.scope import Scope
from infra.components.unfinished_release import KubeAccess
from infra.exports import inventory, service_url
from infra.lock import MODELS, OWN, Lock
from infra.machine import Machine, load_machine
from infra.models import build_models
from infra.models.nim import NimPlace
from infra.reach import allow_list
from infra.registry import Registry, parse, rewrite
from infra.schema import Settings
from infra.schema.gpu_choices import nim_operator_mode
from infra.schema.scaling_choices import keda_mode, store_copies, store_shards
from infra.settings import Secrets, load_ca, load_lock, load_secrets, load_settings


def deploy(*, listing: bool = False) -> None:
    """Deploy the selected stack.

    `listing`: to see what it needs, before a bundle's lock says which digest each part has.
    """
    settings = load_settings(pulumi.get_stack(), listing=listing)
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
    given = Given(
        settings, secrets, lock, load_ca(settings), sealed=settings.airgapped and not listing
    )
    Stack(given, catalog, cluster).deploy()


def mirror_of(settings: Settings, stack: str) -> Registry | None:
    """Return the registry that third-party images are taken from, None for the public ones."""
    registry = settings.registry
    if not registry.mirrored:
        return None
    if settings.cluster.kind == "eks":
        return eks_registry(settings, stack)
    return Registry(registry.host, registry.prefix) if registry.host is not None else None


@dataclass(frozen=True)
class Given:
    """What a stack says: its settings, and the files that they name."""

    settings: Settings
    secrets: Secrets
    lock: Lock
    ca: str | None  # text of the private authorities
    sealed: bool  # everything is in the registry


class Stack:
    """One stack on its cluster."""

    def __init__(self, given: Given, catalog: Catalog, cluster: Cluster) -> None:
        self.given, self.settings, self.secrets = given, given.settings, given.secrets
        self.catalog, self.cluster = catalog, cluster
        self.opts = pulumi.ResourceOptions(providers=[cluster.provider])
        self.images: dict[str, pulumi.Output[str]] = {}
        self.servers: Scope | None = None
        self.scalings = scalings(self.settings, nim_images(self.settings))
        self.copies = self._copies()

    def deploy(self) -> None:
        scope = self._namespace("rag")
        models = build_models(
            self.settings.models,
            self.secrets,
            self._model_place,
            self._nim_place,
            self.scalings,
            self.opts,
        )
        store = Qdrant(
            "qdrant",
            QdrantArgs(
                scope=scope,
                image=self.catalog.qdrant or self._image("qdrant"),
                official=self.catalog.qdrant is not None,
                storage=self.settings.qdrant.storage,
                nodes=self.settings.qdrant.nodes,
            ),
            self.opts,
        )
        api_keys = self.secrets.get("appApiKeys") or GeneratedSecret("rag-key", "API key").value
        app = RagApp(
            "rag",
            RagAppArgs(
                scope=scope,
                image=self._image("app"),
                settings=self.settings.app,
                access=self.settings.access,
                models=models,
                qdrant_url=store.url,
                qdrant_api_key=store.api_key,
                shards=store_shards(self.settings),
                copies=store_copies(self.settings),
                api_keys=api_keys,
                expose=self.cluster.expose,
                node_port=self.cluster.node_port,
                load_balancer=self.cluster.load_balancer,
            ),
            self.opts,
        )
        servers = {
            role: Workload(
                name=role,
                scope=self.servers,
                port=model_server.PORT,
                labels=server_labels(role) if self._by_operator(role) else None,
            )
            for role in models
            if self.servers is not None
        }
        sealed = self.settings.airgapped
        reach = allow_list(self.settings).ranges if sealed else ANYWHERE
        served = Workload(name="rag", scope=scope, port=rag_app.PORT)
        table = edges(
            app=served,
            qdrant=Workload(name="qdrant", scope=scope, port=qdrant.PORT),
            models=models.values(),
            provider=self.settings.access.asked_provider,
            servers=servers,
            downloads=[
                Workload(
                    name=download_name(role),
                    scope=self.servers,
                    port=model_server.PORT,
                    labels=download_labels(role) if self._by_operator(role) else None,
                )
                for role in self.catalog.nim
                if self.servers is not None and self._downloads(role)
            ],
            imports=[
                Workload(name=import_name(role), scope=self.servers, port=model_server.PORT)
                for role in self._artefacts()
                if self.servers is not None
            ],
            registry=registry_peer(self.cluster.registry.host, reach),
            reach=reach,
        )
        table += self._backups(scope, served, api_keys)
        scopes = [scope, self.servers] if self.servers else [scope]
        if self.settings.qdrant.nodes > 1:
            node = Workload(name="qdrant", scope=scope, port=qdrant.PEER_PORT)
            table.append(Edge(source=node, target=node, port=node.port))
        table += self._autoscale(servers)
        NetworkPolicies("network", scopes, table, self.opts)
        if self.settings.policy.admission != "off":
            AdmissionPolicies("admission", scopes, self.settings.policy.admission, self.opts)

        pulumi.export("url", service_url(self.cluster, app.service, rag_app.PORT))
        pulumi.export("apiKey", pulumi.Output.secret(api_keys.apply(lambda k: keys_in(k)[0])))
        if self.cluster.kubeconfig is not None:
            pulumi.export("kubeconfig", pulumi.Output.secret(self.cluster.kubeconfig))
        local = self.settings.cluster.kind == "local"
        pulumi.export("inventory", inventory(self.images, self.catalog, with_machine=local))

    def _backups(self, scope: Scope, app: Workload, api_keys: pulumi.Output[str]) -> list[Edge]:
        """Make the backups by the clock; return the ways that they need."""
        settings = self.settings.backup
        if settings.schedule is None:
            return []
        args = BackupsArgs(
            scope=scope,
            image=self.images["app"],
            settings=settings,
            schedule=settings.schedule,
            api_keys=api_keys,
        )
        Backups("backup", args, self.opts)
        source = Workload(name=backups.NAME, scope=scope, port=rag_app.PORT)
        return [Edge(source=source, target=app, port=app.port)]

    def _by_operator(self, role: str) -> bool:
        return role in self.catalog.nim and nim_operator_mode(self.settings) != "none"

    def _namespace(self, name: str, enforce: str = LEVEL) -> Scope:
        return StackNamespace(
            name,
            stack=pulumi.get_stack(),
            storage_class=self.cluster.storage_class,
            credentials=self._credentials(),
            ca=self.given.ca,
            proxy=proxy_environment(self.settings),
            make=self.cluster.make_namespaces,
            enforce=enforce,
            after=self.copies,
            opts=self.opts,
        ).scope

    def _credentials(self) -> PullCredentials | None:
        registry = self.settings.registry
        password = self.secrets.get("registryPassword")
        if registry.host and registry.username and password is not None:
            return PullCredentials(registry.host, registry.username, password)
        return None

    def _autoscale(self, servers: dict[str, Workload]) -> list[Edge]:
        if self.servers is None or not self.scalings:
            return []
        scaled = Scaled(scope=self.servers, servers=servers, scalings=self.scalings)
        if self.settings.cluster.kind == "local":
            return stand_in(scaled, self._image("models"), self.opts)
        return by_keda(
            scaled, self.settings, self.catalog, self._credentials(), self.copies, self.opts
        )

    def _image(self, recipe: str) -> pulumi.Output[str]:
        """Return one of our images: built here, or as the bundle's lock has it."""
        if recipe in self.images:
            return self.images[recipe]
        known = self.given.lock.own.get(recipe)
        if known is not None:
            place = self.cluster.registry.reference(f"{OWN}{recipe}")
            self.images[recipe] = pulumi.Output.from_input(f"{place}@{known}")
            return self.images[recipe]
        opts = pulumi.ResourceOptions(depends_on=[*self.cluster.pushable, *self.copies])
        image = Image(f"{recipe}-image", recipe, self.cluster.registry, self.catalog.python, opts)
        self.images[recipe] = image.reference
        return image.reference

    def _copies(self) -> list[pulumi.Resource]:
        """Fill a registry of our own; in another, images are put there by its owner."""
        if not self.cluster.copies_images or self.settings.airgapped:
            return []
        opts = pulumi.ResourceOptions(depends_on=list(self.cluster.pushable))
        key = self.secrets.get("ngcApiKey")
        return [
            ImageCopy(f"copy-{parse(source).path.replace('/', '-')}", source, target, key, opts)
            for target, source in self.catalog.sources.items()
        ]

    def _model_scope(self) -> Scope:
        if self.servers is None:
            # the NIM operator gives its pods no seccomp profile, which `restricted` asks for
            by_operator = nim_operator_mode(self.settings) != "none"
            self.servers = self._namespace("models", "baseline" if by_operator else LEVEL)
        return self.servers

    def _model_place(self) -> tuple[Scope, pulumi.Output[str]]:
        return self._model_scope(), self._image("models")

    def _nim_place(self) -> NimPlace:
        scope = self._model_scope()
        if self.cluster.gpu is None:
            message = "a role of kind nim needs a cluster with GPU nodes"
            raise ValueError(message)
        api_key = self.secrets.get("ngcApiKey")
        secrets = None
        if api_key is not None:
            pulls = any(parse(image).host == NVIDIA_HOST for image in self.catalog.nim.values())
            args = NgcSecretsArgs(scope=scope, api_key=api_key, pulls=pulls)
            secrets = NgcSecrets("ngc", args, self.opts)
        return NimPlace(
            scope=scope,
            gpu=self.cluster.gpu,
            images=self.catalog.nim,
            key=secrets.key if secrets else None,
            pull=secrets.pull if secrets else None,
            after=[
                *self._gpu_operator(),
                *self._nim_operator(),
                *([secrets.secret] if secrets else []),
            ],
            by_operator=nim_operator_mode(self.settings) != "none",
            artefacts=self._artefacts(),
            importer=self._image("importer") if self._artefacts() else None,
        )

    def _access(self) -> KubeAccess:
        given = self.settings.cluster
        config = self.cluster.kubeconfig or str(given.kubeconfig_path)
        return KubeAccess(kubeconfig=config, context=given.context)

    def _nim_operator(self) -> list[pulumi.Resource]:
        """Return what serves NIMCaches and NIMServices; nothing where it is adopted or not used."""
        image = self.catalog.nim_operator
        if image is None:
            return []
        credentials, key = self._credentials(), self.secrets.get("ngcApiKey")
        if parse(image).host == NVIDIA_HOST:
            credentials = PullCredentials(NVIDIA_HOST, NVIDIA_USER, key) if key else None
        args = NimOperatorArgs(
            stack=pulumi.get_stack(),
            settings=self.settings.nim_operator,
            image=image,
            credentials=credentials,
            access=self._access(),
            after=self.copies,
        )
        return [NimOperator("nim-operator", args, self.opts).release]

    def _downloads(self, role: str) -> bool:
        """Tell whether a role's files come from NVIDIA."""
        return not self.settings.models.role(role).preloaded and role not in self._artefacts()

    def _artefacts(self) -> dict[str, str]:
        """Return role and reference of the model files in the private registry."""
        found: dict[str, str] = {}
        for role in self.catalog.nim:
            settings = self.settings.models.role(role)
            if settings.artefact is not None:
                found[role] = rewrite(settings.artefact, self.cluster.registry)
            elif self.settings.airgapped and not settings.preloaded:
                locked = self.given.lock.models.get(role, f"{MODELS}{role}")
                found[role] = rewrite(locked, self.cluster.registry)
        return found

    def _gpu_operator(self) -> list[pulumi.Resource]:
        """Return what makes GPUs usable; nothing where an operator is adopted or not wanted."""
        target = target_of(self.settings)
        if target is None:
            return []
        args = GpuOperatorArgs(
            stack=pulumi.get_stack(),
            settings=self.settings.gpu_operator,
            target=target,
            images=self.catalog.gpu_operator if self.settings.registry.mirrored else {},
            credentials=self._credentials() if self.settings.registry.mirrored else None,
            access=self._access(),
            ca=self.given.ca,
            ca_file=self.settings.registry.ca,
            charts=self.cluster.registry if self.given.sealed else None,
            after=self.copies,
        )
        return [GpuOperator("gpu-operator", args, self.opts).release]
