"""The two Secrets that NVIDIA's registry needs, both of one key of the stack's settings."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from infra.components.nim_download import KEY
from infra.components.pull_secret import PullCredentials, pull_secret
from infra.components.scope import Scope

HOST = "nvcr.io"
USERNAME = "$oauthtoken"  # literally


@dataclass(frozen=True, kw_only=True)
class NgcSecretsArgs:
    scope: Scope
    api_key: pulumi.Output[str]
    pulls: bool  # images come from NVIDIA's registry itself


class NgcSecrets(pulumi.ComponentResource):
    """`key` is the Secret that downloads read, `pull` the one that kubelet pulls by."""

    key: str
    secret: k8s.core.v1.Secret
    pull: pulumi.Output[str] | None

    def __init__(
        self, name: str, args: NgcSecretsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stackyard:index:NgcSecrets", name, None, opts)
        scope = args.scope
        # by a plain name, so that a new key makes no new download of files that are there
        self.key = f"{name}-api"
        self.secret = k8s.core.v1.Secret(
            self.key,
            metadata=scope.metadata(self.key, "model"),
            string_data={KEY: args.api_key},
            opts=pulumi.ResourceOptions(parent=self),
        )
        credentials = PullCredentials(HOST, USERNAME, args.api_key) if args.pulls else None
        self.pull = pull_secret(
            f"{name}-pull", scope.stack, scope.namespace, credentials, parent=self
        )
        self.register_outputs({})
