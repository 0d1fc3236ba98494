"""One embedding on its way from the model to the vector store."""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Self

import numpy as np
import orjson

_FLOATS = re.compile(rb'"embedding"\s*:\s*\[')
_NUMERALS = b"0123456789+-.eE, \t\r\n"


class Vector:
    """An embedding as the JSON text of its numbers, which is the form that the store is sent.

    It is never changed, so it is its own copy: Haystack copies what crosses a connection, at
    20 microseconds a number for a list.
    """

    __slots__ = ("json",)

    def __init__(self, json: bytes) -> None:
        self.json = json

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Self:
        return cls(orjson.dumps(list(numbers)))

    @classmethod
    def of_base64(cls, text: str) -> Self:
        """Read little-endian float32. Raises ValueError."""
        try:
            raw = base64.b64decode(text, validate=True)
        except binascii.Error as error:
            msg = "the embedding is not base64"
            raise ValueError(msg) from error
        numbers = np.frombuffer(raw, dtype="<f4")
        return cls(orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY))

    @classmethod
    def of_reply(cls, reply: bytes) -> Self:
        """Return the first embedding of a reply of /v1/embeddings. Raises ValueError."""
        found = _FLOATS.search(reply)
        if found is None:
            return cls._of_parsed(reply)
        # The text of the numbers goes on as it is; only what is no number must not slip through.
        end = reply.find(b"]", found.end())
        numbers = reply[found.end() : end]
        if end < 0 or numbers.translate(None, _NUMERALS) or not numbers.strip():
            msg = "the embedding is not a list of numbers"
            raise ValueError(msg)
        return cls(b"[" + numbers + b"]")

    @classmethod
    def _of_parsed(cls, reply: bytes) -> Self:
        try:
            embedding = orjson.loads(reply)["data"][0]["embedding"]
        except (KeyError, IndexError, TypeError) as error:
            msg = "the reply holds no embedding"
            raise ValueError(msg) from error
        if not isinstance(embedding, str):
            msg = f"the embedding is {type(embedding).__name__}: expected base64 or numbers"
            raise ValueError(msg)
        return cls.of_base64(embedding)

    def numbers(self) -> list[float]:
        numbers: list[float] = orjson.loads(self.json)
        return numbers

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vector) and self.json == other.json

    def __hash__(self) -> int:
        return hash(self.json)
