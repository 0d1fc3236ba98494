"""Pure: what is wrong with a stack's settings, each problem one line a person can act on."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from infra.problems.of_access import access_problems
from infra.problems.of_backup import backup_problems
from infra.problems.of_edge import edge_problems
from infra.problems.of_eks import eks_problems
from infra.problems.of_gpus import gpu_problems
from infra.problems.of_network import network_problems
from infra.problems.of_scaling import scaling_problems
from infra.problems.telling import PROJECT, alias_of, hint, only, secret_hint, shown
from infra.schema import SECRETS, EmbeddingSettings, ModelSettings, Settings
from infra.schema.models import ROLES, is_nvidia

STACK_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?")
# kind of a role -> the settings that it has
KNOWN = {
    "local": {"kind", "scaling"},
    "hosted": {"kind", "url", "model", "dimension"},
    "nim": set(EmbeddingSettings.model_fields) - {"url"},
}


def known_keys() -> list[str]:
    """Return every top-level key that a stack may set."""
    return [*_aliases(Settings), *SECRETS]


def unknown_keys(keys: Iterable[str]) -> list[str]:
    """Return a problem for each top-level key that is not ours."""
    return [
        f"{PROJECT}:{key}: is not a setting{_nearest(key, known_keys(), '')}"
        for key in sorted(set(keys) - set(known_keys()))
    ]


def plain_secrets(names: Iterable[str]) -> list[str]:
    """Return a problem for each secret that lies in plain in the stack's file."""
    return [
        f"{PROJECT}:{name}: is not encrypted; whoever reads the stack's file has it\n"
        f"{secret_hint(name)}"
        for name in sorted(names)
    ]


def wrong_values(error: ValidationError) -> list[str]:
    """Return a problem for each value that its type refuses."""
    return [_explain(detail) for detail in error.errors()]


def wrong_name(stack: str) -> list[str]:
    """Return a problem if the stack's name cannot become part of Kubernetes names."""
    if STACK_NAME.fullmatch(stack):
        return []
    return [
        f"the stack's name is '{stack}'; it may have at most 30 of a-z, 0-9 and inner hyphens\n"
        "      hint: pulumi stack rename NAME"
    ]


def wrong_together(settings: Settings, secrets: frozenset[str]) -> list[str]:
    """Return a problem for each combination that cannot work."""
    return [
        *_cluster(settings),
        *eks_problems(settings),
        *gpu_problems(settings),
        *scaling_problems(settings),
        *network_problems(settings),
        *_registry(settings, secrets),
        *edge_problems(settings),
        *access_problems(settings, secrets),
        *backup_problems(settings, secrets),
        *_policy(settings),
        *_beside_the_roles(settings),
        *(problem for role in ROLES for problem in _role(settings, role, secrets)),
    ]


# the settings of `cluster` that only one kind has; eks lists the rest
OF_LOCAL = {"port"}
OF_EXISTING = {"kubeconfig", "context", "storage_class", "scope", "gpu"}


def _cluster(settings: Settings) -> Iterable[str]:
    cluster = settings.cluster
    if cluster.kind == "existing":
        if cluster.context is None:
            yield (
                f"{PROJECT}:cluster.context: is not set; with cluster.kind 'existing' it names the "
                f"kubeconfig's context\n{hint('cluster.context', 'NAME')}"
            )
        if not cluster.kubeconfig_path.is_file():
            yield (
                f"{PROJECT}:cluster.kubeconfig: is '{cluster.kubeconfig}', which is not a file\n"
                f"{hint('cluster.kubeconfig', 'PATH')}"
            )
    for name in type(cluster).model_fields:
        if name == "kind" or name not in cluster.model_fields_set:
            continue
        kind = "local" if name in OF_LOCAL else "existing" if name in OF_EXISTING else "eks"
        if kind != cluster.kind:
            alias = alias_of(type(cluster), name)
            yield only(f"cluster.{alias}", getattr(cluster, name), f"cluster.kind '{kind}'")


def _registry(settings: Settings, secrets: frozenset[str]) -> Iterable[str]:
    registry = settings.registry
    if registry.host is None:
        if settings.cluster.kind == "existing":
            yield (
                f"{PROJECT}:registry.host: is not set; with cluster.kind 'existing' it is where "
                f"images are pushed to and pulled from\n{hint('registry.host', 'HOST')}"
            )
        free = {"prefix", "mirrored"} if settings.cluster.kind == "eks" else set()
        for name in sorted({"prefix", "mirrored", "username"} & registry.model_fields_set - free):
            yield only(f"registry.{name}", getattr(registry, name), "registry.host")
    elif settings.cluster.kind == "local":
        yield (
            f"{PROJECT}:registry.host: is '{registry.host}'; a local cluster has a registry of its "
            f"own\n      hint: pulumi config rm --path '{PROJECT}:registry.host'"
        )
    if (registry.username is None) != ("registryPassword" not in secrets):
        missing = (
            f"{PROJECT}:registryPassword: is not set; registry.username "
            f"'{registry.username}' needs it\n{secret_hint('registryPassword')}"
        )
        spare = (
            f"{PROJECT}:registry.username: is not set; registryPassword needs it\n"
            f"{hint('registry.username', 'NAME')}"
        )
        yield spare if registry.username is None else missing


def _policy(settings: Settings) -> Iterable[str]:
    policy = settings.policy
    wanted: dict[str, object] = {}
    if policy.admission != "off":
        wanted["admission"] = policy.admission
    if policy.priorities:
        wanted["priorities"] = True
    for name, value in wanted.items() if settings.cluster.scope == "namespace" else ():
        yield (
            f"{PROJECT}:policy.{name}: is {shown(value)}; cluster.scope 'namespace' may not make "
            f"objects of the whole cluster\n      hint: pulumi config rm --path "
            f"'{PROJECT}:policy.{name}'"
        )


def _role(settings: Settings, name: str, secrets: frozenset[str]) -> Iterable[str]:
    role = settings.models.role(name)
    where = f"models.{name}"
    kind = settings.models.kind_of(role)
    known = KNOWN[kind]
    for field in type(role).model_fields:
        if field in role.model_fields_set and field not in known:
            needed = " or ".join(f"'{each}'" for each in KNOWN if field in KNOWN[each])
            alias = alias_of(type(role), field)
            yield only(f"{where}.{alias}", getattr(role, field), f"{where}.kind {needed}")
    if kind == "hosted":
        yield from _hosted(settings, role, name, secrets)
    elif kind == "nim":
        yield from _nim(settings, role, name, secrets)
    dimension = getattr(role, "dimension", None)
    named = role.model is not None and kind != "local"
    if name == "embedding" and named and dimension is None:
        yield (
            f"{PROJECT}:{where}.dimension: is not set; with {where}.model '{role.model}' it is the "
            f"length of its vectors\n{hint(f'{where}.dimension', '1024')}"
        )


def _nim(
    settings: Settings, role: ModelSettings, name: str, secrets: frozenset[str]
) -> Iterable[str]:
    where = f"models.{name}"
    if settings.cluster.kind == "local":
        yield (
            f"{PROJECT}:{where}.kind: is 'nim'; a local cluster has no GPU\n"
            f"{hint('cluster.kind', 'existing')}"
        )
    if role.image is not None and role.model is None:
        yield (
            f"{PROJECT}:{where}.model: is not set; with {where}.image '{role.image}' it names the "
            f"model that this image serves\n{hint(f'{where}.model', 'NAME')}"
        )
    if role.max_model_length is not None and name != "llm":
        yield only(f"{where}.maxModelLength", role.max_model_length, "models.llm")
    fetched = not (role.preloaded or role.artefact or settings.airgapped)
    if fetched and "ngcApiKey" not in secrets:
        yield (
            f"{PROJECT}:ngcApiKey: is not set; {where} downloads its model from NVIDIA and needs "
            f"a key (from https://ngc.nvidia.com)\n{secret_hint('ngcApiKey')}"
        )


def _hosted(
    settings: Settings, role: ModelSettings, name: str, secrets: frozenset[str]
) -> Iterable[str]:
    where = f"models.{name}"
    if role.url is None or is_nvidia(role.url):
        accepted = {"nvidiaApiKey"} | ({"NVIDIA_EMBEDDINGS_KEY"} if name == "embedding" else set())
        if not accepted & secrets and not settings.airgapped:  # which refuses such a model
            yield (
                f"{PROJECT}:nvidiaApiKey: is not set; {where} is hosted by NVIDIA and needs a key "
                f"(from https://build.nvidia.com)\n{secret_hint('nvidiaApiKey')}"
            )
    elif role.model is None:
        yield (
            f"{PROJECT}:{where}.model: is not set; with a {where}.url of your own it names the "
            f"model there\n{hint(f'{where}.model', 'NAME')}"
        )
    if role.url is not None and not role.url.rstrip("/").endswith("/v1"):
        yield (
            f"{PROJECT}:{where}.url: is '{role.url}'; it must end in /v1\n"
            f"{hint(f'{where}.url', role.url.rstrip('/') + '/v1')}"
        )


def _beside_the_roles(settings: Settings) -> Iterable[str]:
    models, app = settings.models, settings.app
    if app.ocr_languages is not None and app.base_image is None:
        yield (
            f"{PROJECT}:app.ocrLanguages: is '{app.ocr_languages}', and the app's image has no "
            "tesseract unless app.baseImage brings it\n"
            f"{hint('app.baseImage', 'registry.example/python-with-tesseract:1')}"
        )
    if app.ocr_languages is not None and models.ocr is not None:
        yield (
            f"{PROJECT}:app.ocrLanguages: is '{app.ocr_languages}', and models.ocr names a "
            "service; one of them reads scanned pages\nhint: pulumi config rm --path "
            f"'{PROJECT}:app.ocrLanguages', or '{PROJECT}:models.ocr'"
        )
    for name, given in (("nextEmbedding", models.next_embedding), ("ocr", models.ocr)):
        if given is not None and not given.url.rstrip("/").endswith("/v1"):
            where = f"models.{name}.url"
            yield (
                f"{PROJECT}:{where}: is '{given.url}'; it must end in /v1\n"
                f"{hint(where, given.url.rstrip('/') + '/v1')}"
            )


def _explain(detail: ErrorDetails) -> str:
    path = ".".join(str(part) for part in detail["loc"])
    value = detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            parent, _, key = path.rpartition(".")
            siblings = _aliases(_model_at(detail["loc"][:-1]))
            text = f"is not a setting{_nearest(key, siblings, f'{parent}.' if parent else '')}"
        case "literal_error":
            text = f"is {shown(value)}; it may be {detail['ctx']['expected']}"
        case "model_type":
            known = ", ".join(_aliases(_model_at(detail["loc"])))
            text = f"is {shown(value)}; it must be an object with some of: {known}"
        case _:
            text = f"is {shown(value)}; {detail['msg'][0].lower()}{detail['msg'][1:]}"
    return f"{PROJECT}:{path}: {text}"


def _model_at(location: tuple[int | str, ...]) -> type[BaseModel]:
    """Return the settings class at a path of aliases."""
    model: type[BaseModel] = Settings
    for part in location:
        if isinstance(part, int):
            continue  # the place in a list of nouns
        by_alias = {field.alias: field for field in model.model_fields.values()}
        annotation = by_alias[part].annotation
        candidates = [annotation, *get_args(annotation)]
        nouns = [e for e in candidates if isinstance(e, type) and issubclass(e, BaseModel)]
        if not nouns:
            break
        model = nouns[0]
    return model


def _aliases(model: type[BaseModel]) -> list[str]:
    return [str(field.alias) for field in model.model_fields.values()]


def _nearest(key: str, known: Iterable[str], prefix: str) -> str:
    found: Mapping[str, str] = {name.lower(): name for name in known}
    close = difflib.get_close_matches(key.lower(), found, n=1, cutoff=0.5)
    if close:
        return f"; the nearest is {PROJECT}:{prefix}{found[close[0]]}"
    return f"; there are: {', '.join(sorted(found.values()))}"
