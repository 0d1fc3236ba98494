"""What one configured provider knows: the cluster, the settings, how to wait and to log."""

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tools.standin.awaiting.waiter import Patience, Waiter
from tools.standin.cluster import Cluster
from tools.standin.diffing import Mutability
from tools.standin.errors import NotReadyError, StandInError
from tools.standin.kubeconfig import read_target
from tools.standin.safety import refuse_other_clusters
from tools.standin.secrecy import Redactor
from tools.standin.wire import Manifest, has_unknown, setting


@dataclass(frozen=True)
class Settings:
    """The provider's settings that the stand-in honours."""

    force: bool = False
    upsert: bool = False
    delete_unreachable: bool = False
    mutability: Mutability = field(default_factory=Mutability)


class InitError(Exception):
    """An object exists and is not ready: its state is kept and the next update carries on."""

    def __init__(
        self,
        identifier: str,
        state: Manifest,
        error: NotReadyError,
        inputs: Manifest | None = None,
    ) -> None:
        super().__init__(str(error))
        self.identifier = identifier
        self.state = state
        self.inputs = inputs or {}
        self.summary = error.summary
        self.reasons = error.reasons


@dataclass
class Session:
    """One configured provider."""

    redactor: Redactor
    patience: Patience
    stopped: threading.Event
    tell: Callable[[str, str], None]
    warn: Callable[[str, str], None]
    settings: Settings = field(default_factory=Settings)
    namespace: str | None = None
    problem: str = "the provider is not configured"
    _cluster: Cluster | None = None

    def configure(self, args: Manifest) -> None:
        """Take the provider's settings; refuse a cluster that is not ours."""
        self.redactor.learn(args)
        if setting(args.get("renderYamlToDirectory")):
            message = (
                "renderYamlToDirectory is not supported by the stand-in Kubernetes provider"
                "\nhint: pulumi preview shows every object"
            )
            raise StandInError(message)
        if setting(args.get("enableServerSideApply")) is False:
            message = (
                'enableServerSideApply is "false", the stand-in Kubernetes provider only knows '
                "server-side apply\nhint: remove the setting"
            )
            raise StandInError(message)
        self.settings = Settings(
            force=setting(args.get("enablePatchForce")) is True,
            upsert=setting(args.get("upsertExistingObjects")) is True,
            delete_unreachable=setting(args.get("deleteUnreachable")) is True,
            mutability=Mutability(
                config_maps=setting(args.get("enableConfigMapMutable")) is True,
                secrets=setting(args.get("enableSecretMutable")) is True,
            ),
        )
        if any(has_unknown(args.get(key)) for key in ("kubeconfig", "context", "cluster")):
            self.problem = "the kubeconfig comes with this same update"
            return
        given = setting(args.get("kubeconfig"))
        # an object, where a program passes the parsed kubeconfig
        kubeconfig = given if isinstance(given, str) or given is None else _as_text(given)
        target = read_target(kubeconfig, setting(args.get("context")), setting(args.get("cluster")))
        if target is None:
            self.problem = (
                "no kubeconfig: neither the provider's kubeconfig, nor KUBECONFIG, nor "
                "~/.kube/config\nhint: kubectl config view"
            )
            return
        refuse_other_clusters(target.context, target.server)
        given_namespace = setting(args.get("namespace"))
        self.namespace = given_namespace if isinstance(given_namespace, str) else None
        self._cluster = Cluster(target, self.namespace)

    def close(self) -> None:
        """Let the connections go."""
        if self._cluster is not None:
            self._cluster.close()

    @property
    def connected(self) -> bool:
        """Tell whether there is a cluster to talk to."""
        return self._cluster is not None

    @property
    def cluster(self) -> Cluster:
        """Return the cluster, or say why there is none."""
        if self._cluster is None:
            raise StandInError(self.problem)
        return self._cluster

    @property
    def default_namespace(self) -> str:
        """Return the namespace of objects that name none."""
        return self._cluster.default_namespace if self._cluster else self.namespace or "default"

    @property
    def waiter(self) -> Waiter:
        """Return what waits for this cluster's objects."""
        return Waiter(self.cluster, self.redactor, self.patience, self.stopped, self.tell)


def _as_text(value: Any) -> str:
    return json.dumps(value)


def urn_hash(urn: str) -> str:
    """Return the eight characters that tell this resource from every other one."""
    return hashlib.sha256(urn.encode()).hexdigest()[:8]
