"""Where a stack's components stand: its namespaces, images, pull credentials, copies."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from infra.catalog import Catalog
from infra.clusters.cluster import Cluster
from infra.components.image import Image
from infra.components.image_copy import ImageCopy
from infra.components.inside_tls import InsideTls
from infra.components.namespaces import LEVEL, StackNamespace
from infra.components.outward import proxy_environment
from infra.components.priorities import Priorities, PriorityClasses
from infra.components.pull_secret import PullCredentials
from infra.components.quota import Asked
from infra.components.scope import Scope
from infra.components.unfinished_release import KubeAccess
from infra.lock import OWN, Lock
from infra.registry import parse
from infra.schema import Settings
from infra.schema.policy_choices import has_priorities, has_quota, preempts
from infra.schema.tls_choices import tls_hosts
from infra.settings import Secrets


@dataclass(frozen=True)
class Given:
    """What a stack says: its settings, and the files that they name."""

    settings: Settings
    secrets: Secrets
    lock: Lock
    ca: str | None  # text of the private authorities
    sealed: bool  # everything is in the registry


class Ground:
    """One cluster as one stack has it."""

    def __init__(self, given: Given, catalog: Catalog, cluster: Cluster) -> None:
        self.given, self.settings, self.secrets = given, given.settings, given.secrets
        self.catalog, self.cluster = catalog, cluster
        self.opts = pulumi.ResourceOptions(providers=[cluster.provider])
        self.images: dict[str, pulumi.Output[str]] = {}
        self.inside = self._inside()
        self.copies = self._copies()
        self.priorities = self._priorities()

    def namespace(
        self, name: str, asked: Sequence[Asked], enforce: str = LEVEL, *, calls: bool = False
    ) -> Scope:
        """Make or find a namespace of the stack; `asked` are the pods that are to be in it.

        `calls`: they call the services inside, and so trust who signs for those.
        """
        return StackNamespace(
            name,
            stack=pulumi.get_stack(),
            storage_class=self.cluster.storage_class,
            credentials=self.credentials(),
            ca=self._trusted() if calls else self.given.ca,
            proxy=proxy_environment(self.settings),
            make=self.cluster.make_namespaces,
            enforce=enforce,
            asked=asked if has_quota(self.settings) else None,
            priorities=self.priorities,
            after=self.copies,
            opts=self.opts,
        ).scope

    def credentials(self) -> PullCredentials | None:
        """Return what the private registry asks for; None where it asks for nothing."""
        registry = self.settings.registry
        password = self.secrets.get("registryPassword")
        if registry.host and registry.username and password is not None:
            return PullCredentials(registry.host, registry.username, password)
        return None

    def image(self, recipe: str) -> pulumi.Output[str]:
        """Return one of our images: built here, or as the bundle's lock has it."""
        if recipe in self.images:
            return self.images[recipe]
        known = self.given.lock.own.get(recipe)
        if known is not None:
            place = self.cluster.registry.reference(f"{OWN}{recipe}")
            self.images[recipe] = pulumi.Output.from_input(f"{place}@{known}")
            return self.images[recipe]
        opts = pulumi.ResourceOptions(depends_on=[*self.cluster.pushable, *self.copies])
        own = self.settings.app.base_image if recipe == "app" else None
        base = own or self.catalog.python
        image = Image(f"{recipe}-image", recipe, self.cluster.registry, base, opts)
        self.images[recipe] = image.reference
        return image.reference

    def access(self) -> KubeAccess:
        """Return how a command reaches the cluster."""
        given = self.settings.cluster
        config = self.cluster.kubeconfig or str(given.kubeconfig_path)
        return KubeAccess(kubeconfig=config, context=given.context)

    def _inside(self) -> InsideTls | None:
        """Make the certificates of services inside of the cluster; None where they have none."""
        hosts = tls_hosts(self.settings, pulumi.get_stack())
        if not hosts:
            return None
        return InsideTls(
            "inside",
            stack=pulumi.get_stack(),
            hosts=hosts,
            calling=["qdrant"] if self.settings.qdrant.nodes > 1 else [],
        )

    def _trusted(self) -> pulumi.Input[str] | None:
        """Return the authorities that pods are to trust: the site's, and those of the stack."""
        site, inside = self.given.ca, self.inside
        if inside is None or site is None:
            return site if inside is None else inside.ca
        return pulumi.Output.concat(site, "\n", inside.ca)

    def _priorities(self) -> Priorities | None:
        if not has_priorities(self.settings):
            return None
        return PriorityClasses(
            "priority",
            stack=pulumi.get_stack(),
            preempts=preempts(self.settings),
            opts=self.opts,
        ).names

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
