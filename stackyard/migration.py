"""A pipeline that Haystack wrote in 2024, in the words of the versions that we ship.

Pure: a mapping in, a mapping out and a note of each change.
"""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from stackyard.errors import Trouble

Shape = dict[str, Any]  # YAML of others, looked at where it is used

GENERATOR = "haystack_integrations.components.generators.nvidia.generator.NvidiaGenerator"
CHAT = "haystack_integrations.components.generators.nvidia.chat.chat_generator.NvidiaChatGenerator"
EMBEDDERS = "haystack_integrations.components.embedders.nvidia"
RANKER = "haystack_integrations.components.rankers.nvidia"
STORE = "haystack_integrations.document_stores.qdrant.document_store.QdrantDocumentStore"
HOSTED = "https://integrate.api.nvidia.com/v1"
HOSTED_RETRIEVAL = "ai.api.nvidia.com"
# What the client of OpenAI takes by name; the rest of a NIM's own arguments goes in its body.
NAMED_ARGUMENTS = {
    *("frequency_penalty", "presence_penalty", "temperature", "top_p"),
    *("logprobs", "max_tokens", "n", "seed", "stop"),
}
# What QdrantDocumentStore took in 2024 and takes no more.
GONE_STORE_PARAMETERS = frozenset(
    ("content_field", "name_field", "embedding_field", "duplicate_documents", "init_from")
)


@dataclass
class Migrated:
    """The pipeline as it can be loaded now, and what was changed."""

    pipeline: Shape
    notes: list[str] = field(default_factory=list)


def migrate(
    old: object, *, models_url: str | None = None, qdrant_url: str | None = None
) -> Migrated:
    """Return the pipeline for Haystack 3; the two URLs replace what the file says.

    Raises Trouble for what is no pipeline, and for a connection that has no successor.
    """
    if not isinstance(old, dict) or not isinstance(old.get("components"), dict):
        message = "the file has no `components`, so it is not a pipeline of Haystack"
        raise Trouble(message, "name the file that pipeline.dump() wrote")
    _refuse_other_shapes(old)
    done = Migrated(deepcopy(old))
    generators = set()
    for name, component in done.pipeline["components"].items():
        kind = str(component.get("type", ""))
        parameters = component.setdefault("init_parameters", {})
        if kind == GENERATOR:
            generators.add(name)
            _generator(done, name, component)
        if kind.startswith((EMBEDDERS, RANKER)) or kind == GENERATOR:
            key = "api_base_url" if kind == GENERATOR else "api_url"
            _url(done, f"{name}.{key}", parameters, key, models_url)
        store = parameters.get("document_store")
        if isinstance(store, dict) and store.get("type") == STORE:
            _store(done, name, store.setdefault("init_parameters", {}), qdrant_url)
    _connections(done, generators)
    _top(done, generators)
    return done


def _refuse_other_shapes(old: Shape) -> None:
    """Raise Trouble for what the steps below could not take apart."""
    odd = [
        f"components.{name}"
        for name, component in old["components"].items()
        if not isinstance(component, dict)
        or not isinstance(component.get("type"), str)
        or not isinstance(component.get("init_parameters", {}), dict)
        or not isinstance(_within(component, "model_arguments"), dict)
        or not isinstance(_within(component, "document_store"), dict)
        or not isinstance(_within(component, "document_store").get("init_parameters", {}), dict)
    ]
    connections = old.get("connections", [])
    if not isinstance(connections, list) or not all(_names(each) for each in connections):
        odd.append("connections")
    if odd:
        message = f"{', '.join(odd)} of the file is not as pipeline.dump() writes it"
        raise Trouble(message, "name the file that pipeline.dump() wrote")


def _within(component: Shape, name: str) -> Any:
    return component.get("init_parameters", {}).get(name) or {}


def _names(connection: object) -> bool:
    """Whether a connection says in text what it connects."""
    return isinstance(connection, dict) and all(
        isinstance(connection.get(end, ""), str) for end in ("sender", "receiver")
    )


def _generator(done: Migrated, name: str, component: Shape) -> None:
    """NvidiaGenerator is gone; the chat generator takes its place."""
    component["type"] = CHAT
    done.notes.append(f"{name}: NvidiaGenerator is gone, NvidiaChatGenerator takes its place")
    parameters = component["init_parameters"]
    if "api_url" in parameters:
        parameters["api_base_url"] = parameters.pop("api_url")
        done.notes.append(f"{name}: api_url is called api_base_url")
    if "model_arguments" not in parameters:
        return
    arguments = parameters.pop("model_arguments") or {}
    given = {key: value for key, value in arguments.items() if value is not None}
    named = {key: value for key, value in given.items() if key in NAMED_ARGUMENTS}
    rest = {key: value for key, value in given.items() if key not in NAMED_ARGUMENTS}
    parameters["generation_kwargs"] = named | ({"extra_body": rest} if rest else {})
    done.notes.append(f"{name}: model_arguments is called generation_kwargs")
    if rest:
        done.notes.append(f"{name}: {', '.join(sorted(rest))} went into extra_body")


def _url(done: Migrated, at: str, parameters: Shape, key: str, wanted: str | None) -> None:
    """Let the URL end in /v1: the models' routes are found below it today."""
    old = parameters.get(key)
    new = wanted or (_base(old) if isinstance(old, str) else old)
    if new != old:
        parameters[key] = new
        done.notes.append(f"{at}: {old} became {new}")


def _base(url: str) -> str:
    parts = urlsplit(url)
    if parts.netloc == HOSTED_RETRIEVAL:
        return HOSTED
    before, _, _ = parts.path.partition("/v1")
    return f"{parts.scheme}://{parts.netloc}{before.rstrip('/')}/v1"


def _store(done: Migrated, name: str, parameters: Shape, wanted: str | None) -> None:
    gone = sorted(GONE_STORE_PARAMETERS & set(parameters))
    for key in gone:
        del parameters[key]
    if gone:
        done.notes.append(f"{name}.document_store: dropped {', '.join(gone)}, which are gone")
    if wanted:
        for key in ("host", "location", "path"):
            parameters.pop(key, None)
        parameters["url"] = wanted
        done.notes.append(f"{name}.document_store: the address became {wanted}")


def _connections(done: Migrated, generators: Iterable[str]) -> None:
    for connection in done.pipeline.get("connections", []):
        for name in generators:
            if connection.get("receiver") in (f"{name}.prompt", name):
                connection["receiver"] = f"{name}.messages"
                done.notes.append(f"{name}.prompt is called {name}.messages")
            if connection.get("sender") == f"{name}.meta":
                message = f"{name}.meta is connected, and the chat generator has no such output"
                raise Trouble(message, "remove the connection: each reply carries its meta now")


def _top(done: Migrated, generators: set[str]) -> None:
    pipeline = done.pipeline
    if "max_loops_allowed" in pipeline:
        pipeline["max_runs_per_component"] = pipeline.pop("max_loops_allowed")
        done.notes.append("max_loops_allowed is called max_runs_per_component")
    if "inputs" in pipeline:
        return
    fed = {connection.get("receiver") for connection in pipeline.get("connections", [])}
    asked = [
        f"{name}.{socket}"
        for name, component in pipeline["components"].items()
        for socket in _question_sockets(component)
        if f"{name}.{socket}" not in fed
    ]
    if asked and generators:
        pipeline["inputs"] = {"question": asked}
        pipeline["outputs"] = {"replies": f"{sorted(generators)[0]}.replies"}
        done.notes.append(f"inputs and outputs, which Hayhooks asks for: question is {asked}")


def _question_sockets(component: Shape) -> list[str]:
    """Return the inputs of a component that a question goes to."""
    kind = str(component["type"])
    if kind.endswith(".NvidiaTextEmbedder"):
        return ["text"]
    if kind.endswith(".NvidiaRanker"):
        return ["query"]
    if kind.endswith(".PromptBuilder"):
        template = str(component["init_parameters"].get("template", ""))
        return [name for name in ("query", "question") if f"{{{{ {name} }}}}" in template]
    return []
