"""Which vectors answer: a Qdrant collection for each embedding model, an alias on the live one.

Without an alias a collection answers itself, by the current model. The vectors of another model
are in `<collection>.<mark>`, and `<collection>.live` is the alias of those that answer.
"""

import hashlib
import ssl
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from app.secrets import read_secret
from app.settings import Settings
from pipelines.errors import Failure, Stage, StageError, failure_of

SECONDS = 5.0
STAGE: Stage = "retrieval"
Shape = dict[str, Any]  # Qdrant's answers, looked at where they are used


@dataclass(frozen=True, kw_only=True)
class EmbeddingModel:
    """A model behind /v1/embeddings and the length of its vectors."""

    url: str
    name: str
    dimension: int
    api_key_file: Path | None = None

    @property
    def mark(self) -> str:
        """What collections of its vectors end in."""
        return hashlib.sha256(f"{self.name}\0{self.dimension}".encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Generation:
    """The vectors of one model for one of our collections; `physical` is Qdrant's name of them."""

    collection: str
    physical: str
    model: EmbeddingModel


class UnknownModel(Exception):
    """What answers was made by a model that no setting names."""

    def __init__(self, collection: str, physical: str) -> None:
        super().__init__(f"{collection} answers from {physical}")
        self.collection = collection
        self.physical = physical


class Generations:
    """Asks Qdrant for its aliases when they may have changed; call it from threads only."""

    def __init__(self, settings: Settings) -> None:
        self.current = EmbeddingModel(
            url=settings.embedding_url,
            name=settings.embedding_model,
            dimension=settings.embedding_dimension,
            api_key_file=settings.embedding_api_key_file,
        )
        self.next = _next(settings)
        # Whether this process says what answers.
        self.leads = True
        # Held while a job looks up where to write, and while that changes.
        self.lock = threading.RLock()
        self._default = settings.collection
        self._url = settings.qdrant_url
        self._reading = _headers(settings.qdrant_reading_key_file)
        self._writing = _headers(settings.qdrant_api_key_file)
        self._aliases: dict[str, str] | None = None

    @property
    def wanted(self) -> EmbeddingModel:
        """The model whose vectors are to answer once they are complete."""
        return self.next or self.current

    def live(self, collection: str) -> Generation:
        """Return what answers. Raises UnknownModel, and StageError where Qdrant is away.

        While another process leads, which may know other models, these are the vectors of the
        current one where no setting names those that answer: they are kept for going back.
        """
        try:
            return self.known(collection)
        except UnknownModel:
            if self.leads:
                raise
            return self.earlier(collection)

    def known(self, collection: str) -> Generation:
        """Return what answers. Raises UnknownModel, and StageError where Qdrant is away."""
        with self.lock:
            aliases = self._known()
            default = aliases.get(_alias(self._default))
            if default is None:
                return Generation(collection, collection, self.current)
            # A collection that came after the switch has no alias of its own.
            model = self._model_of(self._default, default)
            physical = aliases.get(_alias(collection), f"{collection}.{model.mark}")
            return Generation(collection, physical, model)

    def is_live(self, generation: Generation) -> bool:
        """Whether these answer. Raises StageError where Qdrant is away."""
        try:
            return self.known(generation.collection).physical == generation.physical
        except UnknownModel:
            return False

    def beside(self, collection: str) -> Generation | None:
        """Return what is built, or kept for going back; None where there is one model only."""
        if self.next is None:
            return None
        live = self.live(collection)
        if live.model == self.current:
            return Generation(collection, f"{collection}.{self.next.mark}", self.next)
        return self.earlier(collection)

    def earlier(self, collection: str) -> Generation:
        """Return where the vectors of the current model are while those of another answer."""
        marked = f"{collection}.{self.current.mark}"
        physical = marked if self.size(marked) is not None else collection
        return Generation(collection, physical, self.current)

    def switch(self, generations: Iterable[Generation]) -> None:
        """Let these answer from now on, all of them at once."""
        with self.lock:
            known = self._known()
            actions: list[dict[str, dict[str, str]]] = []
            for each in generations:
                alias = _alias(each.collection)
                if alias in known:
                    actions.append({"delete_alias": {"alias_name": alias}})
                if each.physical != each.collection:
                    made = {"alias_name": alias, "collection_name": each.physical}
                    actions.append({"create_alias": made})
            if actions:
                self._ask("POST", "/collections/aliases", {"actions": actions})
            self._aliases = None

    def look_again(self) -> None:
        """Ask Qdrant anew for what answers."""
        with self.lock:
            self._aliases = None

    def held(self, collection: str) -> list[str]:
        """Return every Qdrant collection that holds vectors of one of ours."""
        names = [each["name"] for each in self._ask("GET", "/collections")["collections"]]
        return [name for name in names if name.partition(".")[0] == collection]

    def size(self, physical: str) -> int | None:
        """Return the length of the stored vectors; None where there is no such collection."""
        try:
            found = self._ask("GET", f"/collections/{physical}")
            return int(found["config"]["params"]["vectors"]["size"])
        except LookupError:
            return None

    def _model_of(self, collection: str, physical: str) -> EmbeddingModel:
        mark = physical.removeprefix(f"{collection}.")
        for model in (self.current, self.next):
            if model is not None and model.mark == mark:
                return model
        raise UnknownModel(collection, physical)

    def _known(self) -> dict[str, str]:
        if self._aliases is None:
            listed = self._ask("GET", "/aliases")["aliases"]
            self._aliases = {each["alias_name"]: each["collection_name"] for each in listed}
        return self._aliases

    @cached_property
    def _certificates(self) -> ssl.SSLContext:
        # Reading the authorities takes 20 ms of CPU, which each client would do anew.
        return httpx.create_ssl_context()

    def _ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Shape:
        """Return the result. Raises LookupError for 404, StageError for what else fails."""
        headers = self._reading if method == "GET" else self._writing
        try:
            with httpx.Client(
                headers=headers, timeout=SECONDS, verify=self._certificates
            ) as client:
                response = client.request(method, f"{self._url}{path}", json=body)
        except httpx.HTTPError as error:
            raise StageError(STAGE, failure_of(error) or Failure("unreachable")) from error
        if response.status_code == 404:
            raise LookupError(path)
        if response.is_error:
            raise StageError(STAGE, Failure("status", response.status_code))
        try:
            result = response.json()["result"]
        except (KeyError, TypeError, ValueError) as error:
            raise StageError(STAGE, Failure("answer")) from error
        return result if isinstance(result, dict) else {}


def _headers(key_file: Path | None) -> dict[str, str]:
    key = read_secret(key_file)
    return {"api-key": key} if key else {}


def _alias(collection: str) -> str:
    return f"{collection}.live"  # our own names hold no dot


def _next(settings: Settings) -> EmbeddingModel | None:
    url, name = settings.next_embedding_url, settings.next_embedding_model
    dimension = settings.next_embedding_dimension
    if url is None or name is None or dimension is None:
        return None
    if (name, dimension) == (settings.embedding_model, settings.embedding_dimension):
        return None  # the change is over, and the setting was left
    file = settings.next_embedding_api_key_file
    return EmbeddingModel(url=url, name=name, dimension=dimension, api_key_file=file)
