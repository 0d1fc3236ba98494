"""The table of contents: settings, catalog, cluster, models, Qdrant, app, exports."""

import pulumi

from infra.catalog import NIM, Catalog, build_catalog
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
from infra.components.namespaces import LEVEL, StackNamespace
from infra.components.network_policies import Edge, NetworkPolicies, Workload, edges
from infra.components.ngc_secrets import HOST as NVIDIA_HOST
from infra.components.ngc_secrets import USERNAME as NVIDIA_USER
from infra.components.ngc_secrets import NgcSecrets, NgcSecretsArgs
from infra.components.nim_download import download_name
from infra.components.nim_operator import NimOperator, NimOperatorArgs
from infra.components.nim_service import download_labels, server_labels
from infra.components.pull_secret import PullCredentials
from infra.components.qdrant import Qdrant, QdrantArgs
from infra.components.rag_app import RagApp, RagAppArgs, keys_in
from infra.components.scope import Scope
from infra.components.unfinished_release import KubeAccess
from infra.exports import inventory, service_url
from infra.machine import Machine, load_machine
from infra.models import build_models
from infra.models.nim import NimPlace
from infra.registry import Registry, parse
from infra.schema import Settings
from infra.schema.gpu_choices import nim_operator_mode
from infra.schema.models import ROLES
from infra.settings import Secrets, load_secrets, load_settings


def deploy() -> None:
    """Deploy the selected stack."""
    settings = load_settings(pulumi.get_stack())
    secrets = load_secrets()
    # what this machine lacks says nothing about a cluster elsewhere
    machine = load_machine() if settings.cluster.kind == "local" else Machine()
    mirror = mirror_of(settings, pulumi.get_stack())
    target = target_of(settings)
    catalog = build_catalog(
        machine,
        mirror,
        nim=nim_images(settings),
        operator=target.images if target else (),
        nim_operator=nim_operator_mode(settings) == "install",
    )
    cluster = build_cluster(settings, catalog, machine)
    Stack(settings, secrets, catalog, cluster).deploy()


def mirror_of(settings: Settings, stack: str) -> Registry | None:
    """Return the registry that third-party images are taken from, None for the public ones."""
    registry = settings.registry
    if not registry.mirrored:
        return None
    if settings.cluster.kind == "eks":
        return eks_registry(settings, stack)
    return Registry(registry.host, registry.prefix) if registry.host is not None else None


def nim_images(settings: Settings) -> dict[str, str]:
    """Return the image of each role on GPUs as the stack or the catalog names it."""
    models = settings.models
    return {
        role: models.role(role).image or NIM[role]
        for role in ROLES
        if models.kind_of(models.role(role)) == "nim"
    }


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
        self.copies = self._copies()

    def deploy(self) -> None:
        scope = self._namespace("rag")
        models = build_models(
            self.settings.models, self.secrets, self._model_place, self._nim_place, self.opts
        )
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
                access=self.settings.access,
                models=models,
                qdrant_url=store.url,
                qdrant_api_key=store.api_key,
                api_keys=api_keys,
                expose=self.cluster.expose,
                node_port=self.cluster.node_port,
                load_balancer=self.cluster.load_balancer,
            ),
            self.opts,
        )
        served = Workload(name="rag", scope=scope, port=rag_app.PORT)
        table = edges(
            app=served,
            qdrant=Workload(name="qdrant", scope=scope, port=qdrant.PORT),
            models=models.values(),
            provider=self.settings.access.asked_provider,
            servers={
                role: Workload(
                    name=role,
                    scope=self.servers,
                    port=model_server.PORT,
                    labels=server_labels(role) if self._by_operator(role) else None,
                )
                for role in models
                if self.servers is not None
            },
            downloads=[
                Workload(
                    name=download_name(role),
                    scope=self.servers,
                    port=model_server.PORT,
                    labels=download_labels(role) if self._by_operator(role) else None,
                )
                for role in self.catalog.nim
                if self.servers is not None and not self.settings.models.role(role).preloaded
            ],
        )
        table += self._backups(scope, served, api_keys)
        scopes = [scope, self.servers] if self.servers else [scope]
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

    def _image(self, recipe: str) -> pulumi.Output[str]:
        opts = pulumi.ResourceOptions(depends_on=[*self.cluster.pushable, *self.copies])
        image = Image(f"{recipe}-image", recipe, self.cluster.registry, self.catalog.python, opts)
        self.images[recipe] = image.reference
        return image.reference

    def _copies(self) -> list[pulumi.Resource]:
        """Fill a registry of our own; in another, images are put there by its owner."""
        if not self.cluster.copies_images:
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
            after=self.copies,
        )
        return [GpuOperator("gpu-operator", args, self.opts).release]
