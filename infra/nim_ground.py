"""What the roles on GPUs stand on: operators, NVIDIA's secrets, and where files come from."""

import pulumi

from infra.components.gpu_operator import GpuOperator, GpuOperatorArgs
from infra.components.gpu_operator_values import target_of
from infra.components.ngc_secrets import HOST as NVIDIA_HOST
from infra.components.ngc_secrets import USERNAME as NVIDIA_USER
from infra.components.ngc_secrets import NgcSecrets, NgcSecretsArgs
from infra.components.nim_operator import NimOperator, NimOperatorArgs
from infra.components.pull_secret import PullCredentials
from infra.components.scope import Scope
from infra.ground import Ground
from infra.lock import MODELS
from infra.models.nim import NimPlace
from infra.registry import parse, rewrite
from infra.schema.gpu_choices import nim_operator_mode


class NimGround:
    """Made once a role of kind nim asks for its place."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.settings, self.catalog = ground.settings, ground.catalog
        self.operated = nim_operator_mode(ground.settings) != "none"

    def serves(self, role: str) -> bool:
        """Tell whether the NIM operator serves a role."""
        return role in self.catalog.nim and self.operated

    def place(self, scope: Scope) -> NimPlace:
        """Make what a NIM needs beside itself. Raises ValueError where there is no GPU node."""
        if self.ground.cluster.gpu is None:
            message = "a role of kind nim needs a cluster with GPU nodes"
            raise ValueError(message)
        api_key = self.ground.secrets.get("ngcApiKey")
        secrets = None
        if api_key is not None:
            pulls = any(parse(image).host == NVIDIA_HOST for image in self.catalog.nim.values())
            args = NgcSecretsArgs(scope=scope, api_key=api_key, pulls=pulls)
            secrets = NgcSecrets("ngc", args, self.ground.opts)
        artefacts = self.artefacts()
        return NimPlace(
            scope=scope,
            gpu=self.ground.cluster.gpu,
            images=self.catalog.nim,
            key=secrets.key if secrets else None,
            pull=secrets.pull if secrets else None,
            after=[
                *self._gpu_operator(),
                *self._nim_operator(),
                *(secrets.secrets if secrets else []),
            ],
            by_operator=self.operated,
            artefacts=artefacts,
            importer=self.ground.image("importer") if artefacts else None,
        )

    def downloads(self, role: str) -> bool:
        """Tell whether a role's files come from NVIDIA."""
        return not self.settings.models.role(role).preloaded and role not in self.artefacts()

    def artefacts(self) -> dict[str, str]:
        """Return role and reference of the model files in the private registry."""
        found: dict[str, str] = {}
        for role in self.catalog.nim:
            settings = self.settings.models.role(role)
            if settings.artefact is not None:
                found[role] = rewrite(settings.artefact, self.ground.cluster.registry)
            elif self.settings.airgapped and not settings.preloaded:
                locked = self.ground.given.lock.models.get(role, f"{MODELS}{role}")
                found[role] = rewrite(locked, self.ground.cluster.registry)
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
            credentials=self.ground.credentials() if self.settings.registry.mirrored else None,
            access=self.ground.access(),
            ca=self.ground.given.ca,
            ca_file=self.settings.registry.ca,
            charts=self.ground.cluster.registry if self.ground.given.sealed else None,
            after=self.ground.copies,
        )
        return [GpuOperator("gpu-operator", args, self.ground.opts).release]

    def _nim_operator(self) -> list[pulumi.Resource]:
        """Return what serves NIMCaches and NIMServices; nothing where it is adopted or not used."""
        image = self.catalog.nim_operator
        if image is None:
            return []
        credentials, key = self.ground.credentials(), self.ground.secrets.get("ngcApiKey")
        if parse(image).host == NVIDIA_HOST:
            credentials = PullCredentials(NVIDIA_HOST, NVIDIA_USER, key) if key else None
        args = NimOperatorArgs(
            stack=pulumi.get_stack(),
            settings=self.settings.nim_operator,
            image=image,
            credentials=credentials,
            access=self.ground.access(),
            after=self.ground.copies,
        )
        return [NimOperator("nim-operator", args, self.ground.opts).release]
