"""Pure: the user data by which Bottlerocket's own device plugin and MIG manager share a GPU.

The settings are those of bottlerocket.dev, "kubelet device plugins", from 1.34 on. The GPU operator
has no part in this: its device plugin and its MIG manager are off on these nodes.
"""

from base64 import b64encode

from infra.schema import GpuOperatorSettings
from infra.schema.gpu_choices import mig_models

SECTION = "settings.kubelet-device-plugins.nvidia"


def user_data(instance_types: list[str], operator: GpuOperatorSettings) -> str | None:
    """Return the TOML in base64, as a launch template takes it; None where a GPU is not shared."""
    text = toml(instance_types, operator)
    return None if text is None else b64encode(text.encode()).decode()


def toml(instance_types: list[str], operator: GpuOperatorSettings) -> str | None:
    """Return the settings of the nodes; None where a GPU is not shared."""
    if operator.sharing == "timeSlicing":
        lines = [
            f"[{SECTION}]",
            'device-sharing-strategy = "time-slicing"',
            f"[{SECTION}.time-slicing]",
            f"replicas = {operator.slices}",
            "rename-by-default = false",  # pods ask for nvidia.com/gpu, not for gpu.shared
        ]
    elif operator.sharing == "mig" and operator.mig_profile is not None:
        profile = operator.mig_profile.removeprefix("all-")
        lines = [
            f"[{SECTION}]",
            'device-partitioning-strategy = "mig"',
            f"[{SECTION}.mig.profile]",
            *(f'"{model}" = "{profile}"' for model in sorted(mig_models(instance_types).values())),
        ]
    else:
        return None
    return "\n".join(lines) + "\n"
