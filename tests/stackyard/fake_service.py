"""A small real service over HTTP for the command's tests; it answers by shared words."""

import hashlib
import io
import re
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pypdf
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from app.backup.archive import Manifest, written
from app.backup.sealing import Key, sealed

KEY = "a-key-of-the-tests"
STOPWORDS = {"a", "an", "are", "at", "do", "for", "how", "in", "is", "of", "the", "to", "which"}


class FakeService:
    """Holds documents in memory; `missing` and `broken` make it not ready or dishonest."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, object]] = {}
        self.pages: dict[str, list[str]] = {}
        self.jobs: dict[str, dict[str, object]] = {}
        self.missing: list[dict[str, str]] = []
        self.questions: list[dict[str, object]] = []
        self.forgets_to_delete = False
        self.invents_quotes = False
        self.busy = False
        self.restored = b""
        self.restored_as = ""
        self.seals_with: Key | None = None
        self.fails_on: set[str] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        config = uvicorn.Config(self._app(), log_level="critical", lifespan="off", ws="none")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._listener],))

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()

    def _app(self) -> Starlette:
        routes = [
            Route("/readyz", self._readyz),
            Route("/query/run", self._query, methods=["POST"]),
            Route("/v1/search", self._search, methods=["POST"]),
            Route("/v1/models", self._models),
            Route("/v1/documents", self._upload, methods=["POST"]),
            Route("/v1/documents", self._list),
            Route("/v1/documents/{id}", self._delete, methods=["DELETE"]),
            Route("/v1/documents/{id}/text", self._text),
            Route("/v1/jobs/{id}", self._job),
            Route("/v1/keys", self._keys),
            Route("/v1/backup", self._backup, methods=["POST"]),
            Route("/v1/backup", self._restore, methods=["PUT"]),
        ]
        app = Starlette(routes=routes)
        app.add_middleware(BaseHTTPMiddleware, dispatch=self._guard)
        return app

    async def _keys(self, _request: Request) -> Response:
        return JSONResponse({"keys": []})

    async def _backup(self, _request: Request) -> Response:
        if self.busy:
            return problem(409, "busy", "Another backup or restore is running", "Try again later")
        held = Manifest("2026-11-27T03:00:00+00:00", 384, "m", len(self.documents), {}, ())
        content = b"".join(written(Path(), held))
        if self.seals_with is not None:
            content = b"".join(sealed(iter([content]), len(content), self.seals_with))
        return Response(content, media_type="application/x-tar")

    async def _restore(self, request: Request) -> Response:
        self.restored = await request.body()
        self.restored_as = request.headers["content-type"]
        return JSONResponse({"created": "2026-11-27T03:00:00+00:00", "documents": 5, "points": 60})

    async def _guard(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        given = request.headers.get("authorization")
        if request.url.path != "/readyz" and given != f"Bearer {KEY}":
            return problem(401, "unauthorized", "A key is needed", "The key is not known")
        return await call_next(request)

    async def _readyz(self, _request: Request) -> Response:
        ready = not self.missing
        return JSONResponse({"ready": ready, "missing": self.missing}, 200 if ready else 503)

    async def _models(self, _request: Request) -> Response:
        return JSONResponse({"data": [{"id": "documents"}]})

    async def _upload(self, request: Request) -> Response:
        form = await request.form()
        file = form["file"]
        assert isinstance(file, UploadFile)
        name, content = str(file.filename), await file.read()
        collection = str(form.get("collection") or "documents")
        await form.close()
        if name.endswith(".exe"):
            return problem(
                415, "unknown-type", "The type is not known", f"{name} is not a document"
            )
        document_id = hashlib.sha256(f"{collection}/{name}".encode()).hexdigest()[:32]
        job: dict[str, object] = {
            "id": hashlib.sha256(name.encode() + content).hexdigest()[:32],
            "document_id": document_id,
            "name": name,
            "status": "queued",
            "chunks": None,
            "reason": None,
        }
        self.jobs[str(job["id"])] = job
        self._index(job, content, collection)
        return JSONResponse({"jobs": [{**job, "status": "queued"}]}, 202)

    def _index(self, job: dict[str, object], content: bytes, collection: str) -> None:
        if not content:
            job |= {"status": "refused", "reason": "the file is empty"}
            return
        name, document_id = str(job["name"]), str(job["document_id"])
        pages = [content.decode()] if not name.endswith(".pdf") else read_pdf(content)
        self.pages[document_id] = pages
        self.documents[document_id] = {
            "id": document_id,
            "name": name,
            "collection": collection,
            "status": "done",
            "pages": len(pages),
            "chunks": len(pages),
        }
        job |= {"status": "done", "chunks": len(pages)}

    async def _job(self, request: Request) -> Response:
        return JSONResponse(self.jobs[request.path_params["id"]])

    async def _list(self, request: Request) -> Response:
        wanted = request.query_params.get("collection")
        found = [d for d in self.documents.values() if wanted in (None, d["collection"])]
        start, count = (int(request.query_params[name]) for name in ("offset", "limit"))
        return JSONResponse({"documents": found[start : start + count], "total": len(found)})

    async def _text(self, request: Request) -> Response:
        page = int(request.query_params["page"])
        return JSONResponse({"text": self.pages[request.path_params["id"]][page - 1]})

    async def _delete(self, request: Request) -> Response:
        document_id = request.path_params["id"]
        del self.documents[document_id]
        if not self.forgets_to_delete:
            del self.pages[document_id]
        return Response(status_code=204)

    async def _query(self, request: Request) -> Response:
        asked = await request.json()
        self.questions.append(asked)
        answer = self._answer(asked["question"])
        if not asked.get("stream"):
            return JSONResponse(answer)
        text = str(answer["answer"])
        pieces = [*({"delta": f"{word} "} for word in text.split()), {"answer": answer}]
        lines = [f"data: {JSONResponse(piece).body.decode()}\n\n" for piece in pieces]  # type: ignore[union-attr]
        return StreamingResponse(iter([*lines, "data: [DONE]\n\n"]), media_type="text/event-stream")

    async def _search(self, request: Request) -> Response:
        """Find whole pages by shared words; equal scores are common."""
        asked = await request.json()
        self.questions.append(asked)
        if asked["query"] in self.fails_on:
            return problem(503, "unavailable", "Not now", "The store is away")
        wanted = words(asked["query"])
        hits = [
            {
                "document": self.documents[document_id]["name"],
                "document_id": document_id,
                "page": number,
                "span": [0, len(text)],
                "text": text,
                "score": float(len(wanted & words(text))),
            }
            for document_id, pages in self.pages.items()
            for number, text in enumerate(pages, start=1)
        ]
        hits.sort(key=lambda hit: -float(str(hit["score"])))
        return JSONResponse({"hits": hits[: asked["top_k"]]})

    def _answer(self, question: str) -> dict[str, object]:
        wanted = words(question)
        best, found = 0, None
        for document_id, pages in self.pages.items():
            for number, text in enumerate(pages, start=1):
                for sentence in re.finditer(r"[^.\s][^.]*\.?", text):
                    shared = len(wanted & words(sentence.group()))
                    if shared > best:
                        best, found = shared, (document_id, number, sentence)
        if found is None or best < 2:
            said = "The documents do not answer that."
            return {"answer": said, "answerable": False, "citations": []}
        document_id, page, match = found
        quote = "It was never written." if self.invents_quotes else match.group()
        name = self.documents.get(document_id, {}).get("name", "deleted.pdf")
        citation = {
            "n": 1,
            "document": name,
            "document_id": document_id,
            "page": page,
            "span": list(match.span()),
            "quote": quote,
            "score": 0.9,
        }
        return {"answer": match.group(), "answerable": True, "citations": [citation]}


def words(text: str) -> set[str]:
    return {word.rstrip("s") for word in re.findall(r"[a-z0-9]+", text.lower())} - STOPWORDS


def read_pdf(content: bytes) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages]


def problem(status: int, name: str, title: str, detail: str) -> Response:
    body = {"type": f"urn:stackyard:problem:{name}", "title": title, "status": status}
    return JSONResponse({**body, "detail": detail}, status, media_type="application/problem+json")
