"""Pure: the configuration that kind gets, from plain inputs."""

import json
from collections.abc import Mapping

APP_NODE_PORT = 30080
LOCAL_PATH = "/var/local-path-provisioner"  # where kind's storage class keeps volumes in a node


def kind_config(inputs: Mapping[str, object]) -> str:
    """Return kind's configuration; JSON, which YAML contains."""
    mounts: list[dict[str, object]] = [
        {"hostPath": inputs["volumes"], "containerPath": LOCAL_PATH},
        # read at every pull, so the registry may come later than the node
        {"hostPath": inputs["certs"], "containerPath": "/etc/containerd/certs.d", "readOnly": True},
    ]
    networking: dict[str, object] = {
        "apiServerAddress": "127.0.0.1",
        "apiServerPort": inputs["apiPort"],
    }
    if inputs.get("cniDirectory"):
        networking["disableDefaultCNI"] = True
        mounts.append(
            {
                "hostPath": inputs["cniDirectory"],
                "containerPath": "/etc/cni/net.d",
                "readOnly": True,
            }
        )
    config: dict[str, object] = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": inputs["name"],
        "networking": networking,
        "nodes": [
            {
                "role": "control-plane",
                "extraPortMappings": [
                    {
                        "containerPort": APP_NODE_PORT,
                        "hostPort": inputs["urlPort"],
                        "listenAddress": "127.0.0.1",
                        "protocol": "TCP",
                    }
                ],
                "extraMounts": mounts,
            }
        ],
    }
    if inputs.get("cgroupV1"):
        # kubelet refuses cgroup v1 since 1.35 unless it is told otherwise
        patch = {"kind": "KubeletConfiguration", "failCgroupV1": False}
        config["kubeadmConfigPatches"] = [json.dumps(patch)]
    return json.dumps(config, indent=1)


def hosts_toml(registry: str) -> str:
    """Return containerd's way from localhost:PORT to the registry's container."""
    return f'[host."http://{registry}:5000"]\n  capabilities = ["pull", "resolve"]\n'
