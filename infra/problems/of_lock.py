"""Pure: what a sealed stack pulls and the lock of its bundle does not have."""

from collections.abc import Iterator

from infra.catalog import GPU_OPERATOR_IMAGES, KEDA_IMAGES, QDRANT, nim_images
from infra.components.gpu_operator_values import target_of
from infra.lock import Lock
from infra.problems.telling import PROJECT, hint
from infra.registry import parse, pin
from infra.schema import Settings
from infra.schema.models import ROLES
from infra.schema.scaling_choices import keda_mode


def unpinned(settings: Settings, lock: Lock) -> Iterator[str]:
    """Yield a problem for each image whose digest nobody has said, and each model without files."""
    for name, image in wanted(settings).items():
        try:
            known = parse(pin(image, lock.digests)).digest is not None
        except ValueError as error:
            yield f"{PROJECT}:{name}: {error}"
            continue
        if not known:
            yield (
                f"{PROJECT}:{name}: '{image}' has no digest, here or in registry.lock\n"
                f"{_lock_hint(settings)}"
            )
    for role in downloads(settings):
        chosen = settings.models.role(role)
        if chosen.artefact is not None:
            continue
        if role not in lock.models:
            yield (
                f"{PROJECT}:registry.lock: has no files for models.{role}; name an artefact, or "
                f"fill the volume yourself and set models.{role}.preloaded\n{_lock_hint(settings)}"
            )
        elif chosen.profile is not None and chosen.profile != lock.profiles[role]:
            yield (
                f"{PROJECT}:models.{role}.profile: is '{chosen.profile}', and the files in "
                f"registry.lock are of '{lock.profiles[role]}'\n{_lock_hint(settings)}"
            )
    for recipe in own(settings):
        if recipe not in lock.own:
            yield (
                f"{PROJECT}:registry.lock: has no image 'stackyard/{recipe}'; it cannot be built "
                f"where there is no package registry\n{_lock_hint(settings)}"
            )


def wanted(settings: Settings) -> dict[str, str]:
    """Return the public reference of each third-party image that the cluster pulls, by setting."""
    target = target_of(settings)
    operator = target.images if target is not None else []
    keda = KEDA_IMAGES if keda_mode(settings) == "install" else {}
    return {
        "qdrant": QDRANT,
        **{f"models.{role}.image": image for role, image in nim_images(settings).items()},
        **{f"gpuOperator {key}": GPU_OPERATOR_IMAGES[key] for key in operator},
        **{f"keda {key}": image for key, image in keda.items()},
    }


def downloads(settings: Settings) -> list[str]:
    """Return the roles whose files an importer pulls."""
    return [role for role in nim_images(settings) if not settings.models.role(role).preloaded]


def own(settings: Settings) -> list[str]:
    """Return the recipes of the images of ours that the cluster pulls."""
    models = settings.models
    kinds = {models.kind_of(models.role(role)) for role in ROLES}
    return [
        "app",
        *(["models"] if "local" in kinds else []),
        *(["importer"] if downloads(settings) else []),
    ]


def _lock_hint(settings: Settings) -> str:
    if settings.registry.lock is None:
        return hint("registry.lock", "bundle.lock")
    return "      hint: on the connected side: stackyard bundle lock, then create and load again"
