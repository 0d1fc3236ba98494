"""Every parser of what comes from outside, with its real inputs and what it may raise."""

import asyncio
import functools
import gzip
import io
import json
import os
import random
import tempfile
import time
import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from unittest import mock

import jwt
import orjson
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from app.access.door import BadToken, Door
from app.access.oidc import OidcSettings, OidcVerifier
from app.documents.receiving import Reception
from app.documents.shelf import Shelf
from app.filters import to_haystack
from app.keys import KeyRing
from app.problems import Problem
from app.questions import Question, RagBody
from app.routes.access import NewKey
from app.routes.chat import ChatRequest
from app.routes.mcp import Message
from app.routes.responses import ResponsesRequest
from app.settings import SettingsProblem, load_settings
from app.tools import AskArguments
from pipelines.answer_filter import AnswerFilter
from pipelines.components.chat_stream import ChatStream
from pipelines.fencing import defused
from pipelines.reading.injection import examined
from pipelines.reading.kinds import read
from pipelines.reading.limits import Limits
from pipelines.reading.page import Page, UnreadableDocument, pages_to_json
from pipelines.vector import Vector
from stackyard.errors import Trouble
from stackyard.migration import migrate
from tests.fakes.reads import FakeReads
from tests.fuzz.backups import backup_parsers
from tests.fuzz.buckets import bucket_parsers
from tests.fuzz.mutation import mutated
from tests.fuzz.parser import Parser, from_bytes, from_json
from tests.fuzz.sign_in import sign_in_parsers
from tests.injections.corpus import PLANTS
from tests.pipelines.files import write_docx, write_pdf
from tests.pipelines.office import eml, epub, pptx, tarred, xlsx, zipped

LIMITS = Limits(seconds=20, unpacked=2**24, characters=2_000_000)
WORDS = (
    "question", "collection", "collections", "filters", "history", "stream", "role", "content",
    "messages", "model", "input", "type", "text", "user", "assistant", "operator", "conditions",
    "AND", "OR", "NOT", "field", "value", "meta.document", "meta.page", "meta.readers", "in", "==",
    ">", "query", "prompt_builder", "text_embedder", "subject", "groups", "rate", "1/minute",
    "jsonrpc", "2.0", "id", "method", "params", "tools/call", "name", "arguments", "document",
)  # fmt: skip


_json = functools.partial(from_json, WORDS)


def parsers(folder: Path) -> list[Parser]:
    """Return all parsers; what they need on disk lies in the folder."""
    random.seed(1)  # what parts the parts of a mail
    found = [*_readers(folder), *_bodies(folder), *_others(folder)]
    return [*found, *sign_in_parsers(folder), *backup_parsers(folder), *bucket_parsers(folder)]


def _inside(seeds: Sequence[bytes]) -> Callable[[random.Random], bytes]:
    """Change what is in a ZIP as often as the ZIP: its checksums would hide the rest."""
    opened: list[dict[str, str | bytes]] = []
    for seed in seeds:
        with zipfile.ZipFile(io.BytesIO(seed)) as archive:
            opened.append({name: archive.read(name) for name in archive.namelist()})
    steady = [_packed(parts) for parts in opened]

    def made(chance: random.Random) -> bytes:
        if chance.random() < 0.4:
            return mutated(chance, steady)
        parts = dict(chance.choice(opened))
        name = chance.choice(sorted(parts))
        before = parts[name]
        assert isinstance(before, bytes)
        parts[name] = mutated(chance, [before])
        return _packed(parts)

    return made


def _packed(parts: dict[str, str | bytes]) -> bytes:
    """Return a ZIP that is the same on every day."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def _readers(folder: Path) -> list[Parser]:
    pdf = write_pdf(folder / "seed.pdf", [["Pumps need oil."] * 9, ["Valves close."]]).read_bytes()
    word = write_docx(folder / "seed.docx").read_bytes()
    seeds: dict[str, list[bytes]] = {
        ".pdf": [pdf],
        ".docx": [word],
        ".pptx": [pptx([("Pumps", ["Oil them."] * 9)])],
        ".xlsx": [xlsx({"Stock": [["Part", "Left"], ["Valve", 12.0]]})],
        ".epub": [epub(["<h1>Part one</h1><p>It begins.</p>"])],
        ".zip": [zipped({"a.txt": b"Oil.", "b.html": b"<p>Pumps"})],
        ".tar.gz": [gzip.compress(gzip.decompress(tarred({"a.txt": b"Oil."})), mtime=0)],
        ".json": [b'{"a": [1, 2, {"b": "text"}], "c": null}'],
        ".jsonl": [b'{"a": 1}\n{"b": "text"}\n'],
        ".csv": [b'part,left\nvalve,12\n"a ""b""",3\n'],
        ".html": [b"<html><body><h1>T</h1><p>Pumps <b>need</b> oil.<table><tr><td>1</table>"],
        ".md": [b"# Title\n\nText with `code`.\n\n```\nx\n```\n"],
        ".txt": [b"Title\n=====\n\nText.\fPage two.", "Öl für die Pumpe".encode("cp1252")],
        ".eml": [eml("Hi", "Dear Bob.", {"a.txt": b"Oil."})],
        ".msg": [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 2048],
    }
    for plant in PLANTS:
        ending = "".join(Path(plant.name).suffixes)
        seeds[ending].append(plant.data)
    place = folder / "upload"

    def reader(ending: str) -> Callable[[bytes], object]:
        def run(data: bytes) -> object:
            place.write_bytes(data)
            pages = read(place, f"a{ending}", LIMITS).pages
            examined(pages)
            return orjson.dumps(pages_to_json(pages))

        return run

    return [
        Parser(
            f"read{ending}",
            _inside(given) if given[0].startswith(b"PK") else from_bytes(given),
            reader(ending),
            (UnreadableDocument,),
        )
        for ending, given in seeds.items()
    ]


def _bodies(folder: Path) -> list[Parser]:
    condition = {"field": "meta.page", "operator": ">", "value": 2}
    filters = {"operator": "AND", "conditions": [condition, {"document": "a.pdf"}]}
    question = {"question": "Why?", "collection": "documents", "filters": {"document": "a.pdf"},
                "history": [{"role": "user", "content": "Hi"}], "stream": False}  # fmt: skip
    rag = {"prompt_builder": {"question": "Why?"}, "text_embedder": {"text": "Why?"}}
    said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": [{"type": "text", "text": "Why?"}]}]  # fmt: skip
    chat = {"model": "stackyard", "messages": said, "stream": True, "filters": filters}
    responses = {"model": "stackyard", "input": said, "metadata": {"a": "b"}, "background": False}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "ask", "arguments": {"question": "Why?"}}}  # fmt: skip
    key = {"subject": "ann", "role": "reader", "groups": ["hr"], "rate": "60/minute"}
    refused = (Problem, ValidationError)

    def filtered(data: bytes) -> object:
        found = json.loads(data)
        return to_haystack(found if isinstance(found, dict) else None)

    def asked(data: bytes) -> object:
        found = Question.model_validate_json(data)
        return found.text(), to_haystack(found.filters)

    def old(data: bytes) -> object:
        found = RagBody.model_validate_json(data).to_question()
        return found.text(), to_haystack(found.filters)

    def agent(data: bytes) -> object:
        message = Message.model_validate_json(data)
        return AskArguments.model_validate(message.params.get("arguments"))

    where = ("documents",)
    return [
        Parser("filters", _json(filters, {"page": [1, 2]}), filtered,
               (*refused, ValueError)),
        Parser("question", _json(question), asked, refused),
        Parser("rag", _json(rag, question), old, refused),
        Parser("chat", _json(chat),
               lambda data: ChatRequest.model_validate_json(data).asked(where), refused),
        Parser("responses", _json(responses),
               lambda data: ResponsesRequest.model_validate_json(data).asked(where), refused),
        Parser("mcp", _json(call), agent, refused),
        Parser("new-key", _json(key), NewKey.model_validate_json, refused),
        Parser("multipart", from_bytes([_form(), _form() * 2]),
               lambda data: _received(folder, data), (Problem,)),
    ]  # fmt: skip


def _form() -> bytes:
    return (
        b'--edge\r\nContent-Disposition: form-data; name="collection"\r\n\r\nbooks\r\n'
        b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n'
        b"Content-Type: text/plain\r\n\r\nPumps need oil.\r\n--edge--\r\n"
    )


def _received(folder: Path, data: bytes) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 61):
            yield data[start : start + 61]

    reception = Reception(Shelf(folder), "multipart/form-data; boundary=edge")
    asyncio.run(reception.read(pieces()))
    reception.discard()


def _others(folder: Path) -> list[Parser]:
    pipeline = {
        "components": {
            "embedder": {
                "type": "haystack_integrations.components.embedders.nvidia.NvidiaTextEmbedder",
                "init_parameters": {"api_url": "http://m/v1"},
            }
        },
        "connections": [{"sender": "a.b", "receiver": "c.d"}],
    }
    env = b"RAG_PORT=1416\nRAG_LLM_URL=http://m/v1\nRAG_CALLER_RATE=60/minute\nRAG_OIDC_ROLES={}\n"
    event = {"model": "m", "choices": [{"delta": {"content": "Oil"}, "finish_reason": None}]}
    reply = {"data": [{"embedding": [0.5, -1e-3]}]}
    bad = (ValueError, LookupError, TypeError, AttributeError)
    key_file = folder / "keys"
    key_file.write_text("first-key\n")
    private = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    public = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(private.public_key()))
    (folder / "jwks").write_text(
        json.dumps({"keys": [{**public, "kid": "1", "use": "sig", "alg": "EdDSA"}]})
    )
    claims = {"iss": "https://id.example", "aud": "stackyard", "sub": "ann", "exp": 2**33}
    token = jwt.encode(claims, private, algorithm="EdDSA", headers={"kid": "1"}).encode()
    none = b"eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0."
    settings = OidcSettings(
        issuer="https://id.example", audience=["stackyard"], keys_file=folder / "jwks"
    )
    verifier = OidcVerifier(settings)

    @functools.cache  # its limiter has a thread of its own
    def door() -> Door:
        return Door(ring=KeyRing(key_file))

    def opened(data: bytes) -> object:
        return asyncio.run(door().identify({b"authorization": data}, "a", "GET"))

    def verified(data: bytes) -> object:
        return asyncio.run(verifier.verify(data, time.time()))

    def spoken(data: bytes) -> object:
        stream = ChatStream(FakeReads())
        lines = (b"data: " + data + b"\n\n", b"data: [DONE]\n\n")
        return [stream._taken_in(line) for line in lines]

    def configured(data: bytes) -> object:
        lines = (line.split(b"=", 1) for line in data.split(b"\n") if b"=" in line)
        given = {os.fsdecode(n): os.fsdecode(v) for n, v in lines if n and b"\0" not in n + v}
        with mock.patch.dict(os.environ, given, clear=True):
            return load_settings()

    def answered(data: bytes) -> object:
        text = data.decode("utf-8", "surrogateescape")
        kept = AnswerFilter("Answer the question from the passages, in one or two sentences.")
        page = Page(number=1, text=text)
        out = [kept.feed(text[at : at + 5]) for at in range(0, len(text), 5)]
        return "".join(out) + kept.rest(), defused(text), examined([page])

    return [
        Parser("key", from_bytes([b"Bearer first-key", b"Bearer sy_0a1b2c_" + b"x" * 43]), opened,
               (Problem,)),
        Parser("token", from_bytes([token, none]), verified, (Problem, BadToken)),
        Parser("settings", from_bytes([env]), configured, (SettingsProblem,)),
        Parser("migration", from_bytes([yaml.safe_dump(pipeline).encode()]),
               lambda data: migrate(yaml.safe_load(data)), (Trouble, yaml.YAMLError, ValueError)),
        Parser("model-stream", _json(event), spoken, bad),
        Parser("model-vector", _json(reply), lambda data: Vector.of_reply(data).numbers(), bad),
        Parser("model-answer",
               from_bytes([plant.data for plant in PLANTS if plant.data[:2] != b"PK"]),
               answered, ()),
    ]  # fmt: skip


def scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="fuzz-")
