"""The two Secrets that NVIDIA's registry needs, both of one key of the stack's settings."""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from infra.components.nim_download import KEY
from infra.components.pull_secret import PullCredentials, login_secret
from infra.components.scope import Scope

HOST = "nvcr.io"
USERNAME = "$oauthtoken"  # literally


@dataclass(frozen=True, kw_only=True)
class NgcSecretsArgs:
    scope: Scope
    api_key: pulumi.Output[str]
    pulls: bool  # images come from NVIDIA's registry itself


class NgcSecrets(pulumi.ComponentResource):
    """`key` names the Secret that downloads read, `pull` the one that kubelet pulls by.

    Both by plain names, so that a new key starts no server anew and downloads no file again.
    """

    key: str
    pull: str | None
    secrets: list[k8s.core.v1.Secret]

    def __init__(
        self, name: str, args: NgcSecretsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stackyard:index:NgcSecrets", name, None, opts)
        scope = args.scope
        self.key, self.pull = f"{name}-api", f"{name}-pull" if args.pulls else None
        self.secrets = [
            k8s.core.v1.Secret(
                self.key,
                metadata=scope.metadata(self.key, "model"),
                string_data={KEY: args.api_key},
                opts=pulumi.ResourceOptions(parent=self),
            )
        ]
        if self.pull is not None:
            credentials = PullCredentials(HOST, USERNAME, args.api_key)
            metadata = scope.metadata(self.pull, "registry")
            self.secrets.append(login_secret(self.pull, metadata, credentials, parent=self))
        self.register_outputs({})
