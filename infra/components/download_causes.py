"""Pure: why a model's download failed, told from what its pod left behind.

The words are those of NIM 1.x and 2.x, kubelet and the scheduler, as NVIDIA's documents, public
issues and the Kubernetes source show them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

DOWNLOAD = re.compile(r"\b(llm|embedding|ranking)-download\b")
KILLED = 137  # SIGKILL; in a container nearly always by the memory limit


@dataclass(frozen=True)
class Cause:
    """One known cause: what happened, and what to do about it."""

    name: str
    what: str
    hint: str


# in this order, because a later one is often the consequence of an earlier one
CAUSES: tuple[tuple[re.Pattern[str], Cause], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), cause)
    for pattern, cause in (
        (
            r"\b402\b|payment required",
            Cause(
                "subscription",
                "the key's organization may not use this model (402)",
                "subscribe it to NVIDIA AI Enterprise at https://org.ngc.nvidia.com, or choose "
                "another model",
            ),
        ),
        (
            r"\b401\b|unauthori[sz]ed|authentication (failed|required|error)|invalid (api )?key",
            Cause(
                "key",
                "the key was refused (401)",
                "make a new one at https://org.ngc.nvidia.com/setup, then: "
                "pulumi config set --secret stackyard:ngcApiKey",
            ),
        ),
        (
            r"\b403\b|forbidden|access denied",
            Cause(
                "rights",
                "the key has no right to this model (403)",
                "give it the service 'NGC Catalog', and accept the model's terms on its page",
            ),
        ),
        (
            r"no (?:\w+ )?profile\w* (?:\w+ )?(?:found|matching|compatible|available)"
            r"|(?:could not|cannot|unable to) (?:find|select) (?:a |any )?(?:\w+ )?profile"
            r"|profile \S+ (?:is )?(?:not found|incompatible|not compatible)"
            r"|no runnable profile",
            Cause(
                "profile",
                "the image has no profile of this model for this GPU",
                "list them with the container argument list-model-profiles, then: pulumi config "
                "set --path 'stackyard:models.ROLE.profile' ID",
            ),
        ),
        (
            r"no space left on device|errno 28|enospc|disk quota exceeded",
            Cause(
                "disk",
                "the volume of the model files is full",
                "pulumi config set --path 'stackyard:models.ROLE.cacheStorage' 100Gi",
            ),
        ),
        (
            r"storageclass\S* .*not found|no persistent volumes available"
            r"|no storage class is set|unbound immediate persistentvolumeclaims",
            Cause(
                "storage-class",
                "nothing makes a volume for the model files",
                "kubectl get storageclass, then: pulumi config set --path "
                "'stackyard:cluster.storageClass' NAME",
            ),
        ),
        (
            r"multi-attach error|already exclusively attached|access modes? .*not supported"
            r"|unsupported access mode",
            Cause(
                "access-mode",
                "the volume is held by another node, or its class has no ReadWriteOnce",
                "wait for the other pod to end, or: pulumi config set --path "
                "'stackyard:models.ROLE.cacheStorageClass' NAME",
            ),
        ),
        (
            r"insufficient nvidia\.com/gpu",
            Cause(
                "gpu",
                "no GPU is free for choosing the profile",
                "name the profile, then the download needs none: pulumi config set --path "
                "'stackyard:models.ROLE.profile' ID",
            ),
        ),
        (
            r"permission denied|errno 13|read-only file system",
            Cause(
                "permission",
                "user 1000 may not write to the volume",
                "use a storage class whose driver honours fsGroup",
            ),
        ),
        (
            r"name resolution|name or service not known|no such host|network is unreachable"
            r"|connection (?:timed out|refused|reset)|dial tcp|certificate verify failed",
            Cause(
                "network",
                "NVIDIA's servers were not reached",
                "let the namespace out to port 443, or fill the volume yourself: pulumi config set "
                "--path 'stackyard:models.ROLE.preloaded' true",
            ),
        ),
    )
)
MEMORY = Cause(
    "memory",
    "the download was killed for its memory",
    "fill the volume yourself: pulumi config set --path 'stackyard:models.ROLE.preloaded' true",
)


def cause_of(
    role: str, exit_code: int | None, log: str, events: Sequence[str] = ()
) -> Cause | None:
    """Return the known cause of a failed download, with the role in its hint; None if unknown.

    `log` is the container's output, `events` the messages of the pod's events.
    """
    said = "\n".join([log, *events])
    for pattern, cause in CAUSES:
        if pattern.search(said):
            return _of(role, cause)
    return _of(role, MEMORY) if exit_code == KILLED else None


def cause_in(said: str) -> Cause | None:
    """Return the known cause in the engine's words of a failed `up`; None if no download failed."""
    job = DOWNLOAD.search(said)
    return cause_of(job[1], None, said) if job else None


def _of(role: str, cause: Cause) -> Cause:
    return Cause(cause.name, cause.what, cause.hint.replace("models.ROLE.", f"models.{role}."))
