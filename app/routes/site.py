"""The site's own pipelines, each asked by its name."""

import asyncio
from typing import Any

from fastapi import APIRouter
from haystack import Pipeline
from haystack.core.errors import PipelineRuntimeError
from haystack.dataclasses import ChatMessage
from pydantic import BaseModel, ConfigDict, TypeAdapter

from app.problems import Problem, invalid, not_found
from pipelines.errors import failure_of
from pipelines.site import Site, SitePipeline

ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)


class SiteQuestion(BaseModel):
    """The members that the pipeline's `inputs` name."""

    model_config = ConfigDict(extra="allow")


class SitePipelines:
    """Builds each pipeline when it is first asked."""

    def __init__(self, site: Site) -> None:
        self.described = site.pipelines
        self._built: dict[str, Pipeline] = {}
        self._lock = asyncio.Lock()

    async def run(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        """Return the named outputs, or raise a Problem."""
        described = self.described.get(name)
        if described is None:
            msg = f"There is no pipeline of that name; known are {sorted(self.described)}"
            raise not_found(msg)
        if given.keys() != described.inputs.keys():
            msg = f"the body has to have exactly {sorted(described.inputs)}"
            raise invalid(msg)
        async with self._lock:
            if name not in self._built:
                self._built[name] = await asyncio.to_thread(described.build)
        components = {place.partition(".")[0] for place in described.outputs.values()}
        try:
            outputs = await self._built[name].run_async(
                _spread(described, given), include_outputs_from=components
            )
        except PipelineRuntimeError as error:
            raise _problem(error) from error
        return {key: _shown(outputs, place) for key, place in described.outputs.items()}

    async def close(self) -> None:
        for pipeline in self._built.values():
            await pipeline.close_async()


def site_router(pipelines: SitePipelines) -> APIRouter:
    router = APIRouter(tags=["questions"])

    @router.post("/pipelines/{name}/run", summary="Ask a pipeline of this site")
    async def run(name: str, body: SiteQuestion) -> dict[str, Any]:
        return await pipelines.run(name, body.model_extra or {})

    return router


def _spread(described: SitePipeline, given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    inputs: dict[str, dict[str, Any]] = {}
    for member, places in described.inputs.items():
        for place in places:
            component, _, socket = place.partition(".")
            inputs.setdefault(component, {})[socket] = given[member]
    return inputs


def _shown(outputs: dict[str, Any], place: str) -> Any:
    component, _, socket = place.partition(".")
    value = outputs.get(component, {}).get(socket)
    plain = [_plain(each) for each in value] if isinstance(value, list) else _plain(value)
    return ANYTHING.dump_python(plain, mode="json", fallback=lambda each: type(each).__name__)


def _plain(value: Any) -> Any:
    if isinstance(value, ChatMessage):
        return value.text
    return value.to_dict() if hasattr(value, "to_dict") else value


def _problem(error: PipelineRuntimeError) -> Problem:
    """Name the component, not what its exception says: that may quote an address or a key."""
    where = f"The component {error.component_name!r} failed"
    failure = failure_of(error)
    if failure is not None and failure.retryable:
        headers = {"Retry-After": "5"}
        name, title = "backend-unavailable", "A back end is not available"
        return Problem(503, name, title, where, headers=headers)
    return Problem(502, "pipeline-failed", "The pipeline failed", where)
