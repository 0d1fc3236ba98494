"""The Secret by which a namespace's pods pull from a private registry."""

import base64
import json
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from infra.labels import labels


@dataclass(frozen=True)
class PullCredentials:
    """Who pulls, from where."""

    host: str
    username: str
    password: pulumi.Output[str]


def pull_secret(
    name: str,
    stack: str,
    namespace: pulumi.Input[str],
    credentials: PullCredentials | None,
    *,
    parent: pulumi.Resource,
) -> pulumi.Output[str] | None:
    """Make the Secret and return its name; None where the registry asks for no key."""
    if credentials is None:
        return None
    metadata = k8s.meta.v1.ObjectMetaArgs(
        namespace=namespace, labels=labels("pull", "registry", stack)
    )
    made = login_secret(name, metadata, credentials, parent=parent)
    return made.metadata.name.apply(str)


def login_secret(
    name: str,
    metadata: k8s.meta.v1.ObjectMetaArgs,
    credentials: PullCredentials,
    *,
    parent: pulumi.Resource,
) -> k8s.core.v1.Secret:
    """Make the Secret that kubelet logs in by."""
    host, username = credentials.host, credentials.username
    return k8s.core.v1.Secret(
        name,
        metadata=metadata,
        type="kubernetes.io/dockerconfigjson",
        string_data={
            ".dockerconfigjson": credentials.password.apply(
                lambda password: docker_config(host, username, password)
            )
        },
        opts=pulumi.ResourceOptions(parent=parent),
    )


def docker_config(host: str, username: str, password: str) -> str:
    """Return what kubelet reads to log in at a registry."""
    token = base64.b64encode(f"{username}:{password}".encode()).decode()
    return json.dumps(
        {"auths": {host: {"username": username, "password": password, "auth": token}}}
    )
