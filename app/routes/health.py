"""Is it alive, is it ready, what has it done."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from app.metrics import CONTENT_TYPE, Metrics
from app.readiness import Readiness


def health_router(readiness: Readiness, metrics: Metrics) -> APIRouter:
    router = APIRouter(tags=["operation"])

    @router.head("/healthz", include_in_schema=False)
    @router.get("/healthz", summary="Whether the process is alive")
    async def healthz() -> dict[str, bool]:
        return {"alive": True}

    @router.head("/readyz", include_in_schema=False)
    @router.get(
        "/readyz",
        summary="Whether every back end is there, or which not",
        responses={
            503: {"description": "`missing` names each back end that is not there, and why"}
        },
    )
    async def readyz() -> JSONResponse:
        missing = await readiness.missing()
        ready = not missing
        return JSONResponse({"ready": ready, "missing": missing}, 200 if ready else 503)

    @router.get("/metrics", summary="Counters for Prometheus", response_class=PlainTextResponse)
    async def page() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    return router
