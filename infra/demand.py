"""Pure: the pods that a stack asks for, by what its settings say."""

from collections.abc import Mapping
from dataclasses import replace

from infra.components import backups, local_autoscaler, qdrant, rag_inputs
from infra.components.nim_download import DOWNLOADING
from infra.components.nim_download import SMALL as PROGRESS
from infra.components.pod import Resources
from infra.components.quota import Asked
from infra.components.scaling import Scaling
from infra.models import local, nim
from infra.schema import Settings
from infra.schema.gpu_choices import nim_operator_mode
from infra.schema.models import ROLES


def of_app(settings: Settings) -> list[Asked]:
    """Return the pods of the app's namespace."""
    kept = settings.backup.by_itself
    return [
        Asked(rag_inputs.RESOURCES, max(1, settings.app.replicas)),
        Asked(qdrant.RESOURCES, settings.qdrant.nodes),
        *([Asked(backups.RESOURCES)] if kept else []),
        *([Asked(rag_inputs.RESOURCES, helpers)] if (helpers := settings.app.bulk_workers) else []),
    ]


def of_models(settings: Settings, scalings: Mapping[str, Scaling]) -> list[Asked]:
    """Return the pods of the models' namespace, with as many servers as may ever be."""
    asked: list[Asked] = []
    models, operated = settings.models, nim_operator_mode(settings) != "none"
    for role in ROLES:
        given = models.role(role)
        servers = scalings[role].max if role in scalings else 1
        match models.kind_of(given):
            case "local":
                asked.append(Asked(local.RESOURCES[role], servers))
            case "nim":
                resources = nim.resources_of(role, given)
                asked.append(Asked(resources, servers))
                if not given.preloaded:
                    asked += [_filling(resources.gpus, at_once=operated), Asked(PROGRESS)]
            case "hosted":
                pass
    if scalings and settings.cluster.kind == "local":
        asked.append(Asked(local_autoscaler.RESOURCES))
    return asked


def _filling(gpus: int, *, at_once: bool) -> Asked:
    """Return the pod that fills a volume; the NIM operator's asks for its limits at once."""
    most = Resources(
        cpu=DOWNLOADING.cpu_limit,
        memory=DOWNLOADING.memory_limit,
        memory_limit=DOWNLOADING.memory_limit,
    )
    return Asked(replace(most if at_once else DOWNLOADING, gpus=gpus))
