"""The table of contents: settings, catalog, cluster, models, Qdrant, app, exports."""

import pulumi

from infra.catalog import Catalog, build_catalog
from infra.clusters import build_cluster
from infra.clusters.cluster import Cluster
from infra.components import model_server, qdrant, rag_app
from infra.components.generated_secret import GeneratedSecret
from infra.components.image import Image
from infra.components.namespaces import StackNamespace
from infra.components.network_policies import NetworkPolicies, Workload, edges
from infra.components.pull_secret import PullCredentials
from infra.components.qdrant import Qdrant, QdrantArgs
from infra.components.rag_app import RagApp, RagAppArgs, keys_in
from infra.components.scope import Scope
from infra.exports import inventory, service_url
from infra.machine import Machine, load_machine
from infra.models import build_models
from infra.registry import Registry
from infra.schema import RegistrySettings, Settings
from infra.settings import Secrets, load_secrets, load_settings


def deploy() -> None:
    """Deploy the selected stack."""
    settings = load_settings(pulumi.get_stack())
    secrets = load_secrets()
    # what this machine lacks says nothing about a cluster elsewhere
    machine = load_machine() if settings.cluster.kind == "local" else Machine()
    catalog = build_catalog(machine, mirror_of(settings.registry))
    cluster = build_cluster(settings, catalog, machine)
    Stack(settings, secrets, catalog, cluster).deploy()


def mirror_of(registry: RegistrySettings) -> Registry | None:
    """Return the registry that third-party images are taken from, None for the public ones."""
    if registry.host is None or not registry.mirrored:
        return None
    return Registry(registry.host, registry.prefix)


class Stack:
    """One stack on its cluster."""

    def __init__(
        self, settings: Settings, secrets: Secrets, catalog: Catalog, cluster: Cluster
    ) -> None:
        self.settings, self.secrets = settings, secrets
        self.catalog, self.cluster = catalog, cluster
        self.opts = pulumi.ResourceOptions(providers=[cluster.provider])
        self.images: dict[str, pulumi.Output[str]] = {}
        self.servers: Scope | None = None

    def deploy(self) -> None:
        scope = self._namespace("rag")
        models = build_models(self.settings.models, self.secrets, self._model_place, self.opts)
        store = Qdrant(
            "qdrant",
            QdrantArgs(
                scope=scope,
                image=self.catalog.qdrant or self._image("qdrant"),
                official=self.catalog.qdrant is not None,
                storage=self.settings.qdrant.storage,
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
                models=models,
                qdrant_url=store.url,
                qdrant_api_key=store.api_key,
                api_keys=api_keys,
                expose=self.cluster.expose,
                node_port=self.cluster.node_port,
            ),
            self.opts,
        )
        table = edges(
            app=Workload(name="rag", scope=scope, port=rag_app.PORT),
            qdrant=Workload(name="qdrant", scope=scope, port=qdrant.PORT),
            models=models.values(),
            servers={
                role: Workload(name=role, scope=self.servers, port=model_server.PORT)
                for role in models
                if self.servers is not None
            },
        )
        scopes = [scope, self.servers] if self.servers else [scope]
        NetworkPolicies("network", scopes, table, self.opts)

        pulumi.export("url", service_url(self.cluster, app.service, rag_app.PORT))
        pulumi.export("apiKey", pulumi.Output.secret(api_keys.apply(lambda k: keys_in(k)[0])))
        if self.cluster.kubeconfig is not None:
            pulumi.export("kubeconfig", pulumi.Output.secret(self.cluster.kubeconfig))
        local = self.settings.cluster.kind == "local"
        pulumi.export("inventory", inventory(self.images, self.catalog, with_machine=local))

    def _namespace(self, name: str) -> Scope:
        registry = self.settings.registry
        password = self.secrets.get("registryPassword")
        credentials = None
        if registry.host and registry.username and password is not None:
            credentials = PullCredentials(registry.host, registry.username, password)
        return StackNamespace(
            name,
            stack=pulumi.get_stack(),
            storage_class=self.cluster.storage_class,
            credentials=credentials,
            opts=self.opts,
        ).scope

    def _image(self, recipe: str) -> pulumi.Output[str]:
        opts = pulumi.ResourceOptions(depends_on=list(self.cluster.pushable))
        image = Image(f"{recipe}-image", recipe, self.cluster.registry, self.catalog.python, opts)
        self.images[recipe] = image.reference
        return image.reference

    def _model_place(self) -> tuple[Scope, pulumi.Output[str]]:
        self.servers = self._namespace("models")
        return self.servers, self._image("models")
