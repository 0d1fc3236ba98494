"""An embedding between two services."""

import base64
import copy
import struct

import orjson
import pytest

from pipelines.vector import Vector

NUMBERS = [0.25, -1.5, 1e-05]
BASE64 = base64.b64encode(struct.pack("<3f", *NUMBERS)).decode()


@pytest.mark.parametrize("embedding", [NUMBERS, BASE64])
def test_floats_and_base64_come_to_the_same_numbers(embedding: object) -> None:
    data = [{"object": "embedding", "index": 0, "embedding": embedding}]
    reply = orjson.dumps({"object": "list", "data": data})

    assert Vector.of_reply(reply).numbers() == pytest.approx(NUMBERS)


@pytest.mark.parametrize(
    "reply",
    [
        b'{"data":[{"embedding":[]}]}',
        b'{"data":[{"embedding":[1.0,"x"]}]}',
        b'{"data":[{"embedding":[1.0',
        b'{"data":[{"embedding":"%%%"}]}',
        b'{"data":[{"embedding":7}]}',
        b'{"data":[]}',
        b'{"hello":"world"}',
        b"<html>",
    ],
)
def test_what_is_no_embedding_is_refused(reply: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Vector.of_reply(reply)


def test_it_is_its_own_copy() -> None:
    vector = Vector.of(NUMBERS)

    assert copy.deepcopy({"a": vector})["a"] is vector
