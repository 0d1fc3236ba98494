"""The table of edges: who may talk to whom in a stack, and to whom outside."""

from collections.abc import Iterable, Mapping, Sequence

from infra.components.network_policies import Edge, Outside, Workload
from infra.components.way_out import WayOut
from infra.models.endpoint import ModelEndpoint

READING = ("embedding", "next_embedding", "ocr")  # what documents go through
NGC = "https://api.ngc.nvidia.com"  # which sends on to stores of files elsewhere


def edges(
    *,
    app: Workload,
    qdrant: Workload,
    models: Iterable[ModelEndpoint],
    servers: Mapping[str, Workload],
    provider: str | None = None,
    traces: str | None = None,
    bulk: Workload | None = None,
    downloads: Iterable[Workload] = (),
    imports: Iterable[Workload] = (),
    registry: str | None = None,
    out: WayOut | None = None,
    callers: Sequence[Edge] = (),
) -> list[Edge]:
    """Return the table: callers to the app, the app to Qdrant and each model, downloads out.

    `registry` is the private one's host. `callers` are those that may call the app; without any it
    is everybody. `bulk` are the helpers of a load, which write vectors and nothing else.
    """
    endpoints, way = list(models), out or WayOut()
    table = [
        *(callers or [Edge(source=Outside(name="callers"), target=app, port=app.port)]),
        Edge(source=app, target=qdrant, port=qdrant.port),
    ]
    for each in endpoints:
        table += _to_model(app, each, servers, way)
    if bulk is not None:
        table.append(Edge(source=bulk, target=qdrant, port=qdrant.port))
        for each in endpoints:
            table += _to_model(bulk, each, servers, way) if each.role in READING else []
    if provider is not None:
        # whose keys and tokens may be at another host of the provider's
        table += way.to(app, "identity-provider", provider, further=True)
    if traces is not None:
        table += way.to(app, "traces", traces)
    for download in downloads:
        table += way.to(download, "ngc", NGC, further=True)
    if registry is not None:
        for pulling in imports:
            # which may send on to where it keeps its files
            table += way.to(pulling, "registry", f"https://{registry}", further=True)
    return table


def _to_model(
    source: Workload, endpoint: ModelEndpoint, servers: Mapping[str, Workload], way: WayOut
) -> list[Edge]:
    if endpoint.hosted:
        return way.to(source, f"hosted-{endpoint.role.replace('_', '-')}", endpoint.url)
    server = servers[endpoint.role]
    return [Edge(source=source, target=server, port=server.port)]
