"""Serves a directory of weights as a model store: what NGC is to a NIM, small and local."""

import hmac
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from local.models.catalog import WEIGHT_FILES, WeightFile
from local.models.files import WeightsError, changed_files
from local.models.refusals import json_response


def store_app(
    directory: Path, key: str | None, files: tuple[WeightFile, ...] = WEIGHT_FILES
) -> Starlette:
    """Return the app; with a key it answers 401 to requests that do not carry it."""
    offered = {file.name: file for file in files if (directory / file.name).is_file()}
    if not offered:
        message = (
            f"{directory} holds no weights\n"
            f"hint: fill it with `python -m local.models.weights {directory}`"
        )
        raise WeightsError(message)
    changed = changed_files(directory, tuple(offered.values()))
    if changed:
        message = (
            f"damaged weights in {directory}: {', '.join(changed)} is not what was published\n"
            "hint: remove the file and fill the directory again"
        )
        raise WeightsError(message)

    def refused(request: Request) -> Response | None:
        given = request.headers.get("authorization", "")
        if key is None or hmac.compare_digest(given.encode(), f"Bearer {key}".encode()):
            return None
        return json_response({"detail": "a valid key is required"}, 401)

    async def manifest(request: Request) -> Response:
        body = {
            "files": [
                {"name": file.name, "size": file.size, "sha256": file.sha256}
                for file in offered.values()
            ]
        }
        return refused(request) or json_response(body)

    async def content(request: Request) -> Response:
        name = request.path_params["name"]
        if (refusal := refused(request)) is not None:
            return refusal
        if name not in offered:
            return json_response({"detail": f"no such file: {name}"}, 404)
        # Answers Range, which is what lets a cut download go on.
        return FileResponse(directory / name, media_type="application/octet-stream")

    return Starlette(routes=[Route("/manifest.json", manifest), Route("/{name}", content)])
