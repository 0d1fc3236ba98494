"""Handlers that read points: get, scroll, count, query, groups, facet."""

# the engine's stub names unions that do not exist at run time
from __future__ import annotations

import qdrant_edge as edge

from local.qdrant.calls import Call
from local.qdrant.errors import bad_request, not_found
from local.qdrant.fields import Fields, Json, as_text
from local.qdrant.filters import read_filter
from local.qdrant.points import (
    EngineId,
    json_id,
    json_record,
    json_scored,
    payload_selection,
    point_id,
    point_ids,
    vector_selection,
)
from local.qdrant.queries import Reader
from local.qdrant.scoring import order_by
from local.qdrant.storage import Collection, Storage

DEFAULT_LIMIT = 10
DEFAULT_GROUP_SIZE = 3
# how many points per wanted hit to look at first when grouping
GROUP_REACH = 4


def get_point(storage: Storage, call: Call) -> object:
    collection = storage.collection(call.name)
    text = call.path["id"]
    key = point_id(int(text) if text.isdecimal() else text, "id")
    records = collection.shard.read(lambda engine: engine.retrieve([key], True, True))
    if not records:
        message = f"Point with id {json_id(key)} does not exists!"
        raise not_found(message)
    return json_record(records[0], with_vector=True)


def get_points(storage: Storage, call: Call) -> object:
    collection = storage.collection(call.name)
    fields = call.fields()
    ids = point_ids(fields.items("ids") or [], "ids")
    with_payload = payload_selection(fields.take("with_payload"), "with_payload", default=True)
    with_vector = vector_selection(fields.take("with_vector"), "with_vector")
    fields.finish()
    records = collection.shard.read(lambda engine: engine.retrieve(ids, with_payload, with_vector))
    return [json_record(record, with_vector=bool(with_vector)) for record in records]


def scroll(storage: Storage, call: Call) -> object:
    collection = storage.collection(call.name)
    fields = call.fields()
    offset, order = fields.take("offset"), fields.take("order_by")
    limit = fields.integer("limit", least=1)
    with_vector = vector_selection(fields.take("with_vector"), "with_vector")
    if offset is not None and order is not None:
        message = "Cannot use an `offset` when using `order_by`, use `order_by.start_from` instead"
        raise bad_request(message)
    request = edge.ScrollRequest(
        offset=None if offset is None else point_id(offset, "offset"),
        limit=DEFAULT_LIMIT if limit is None else limit,
        filter=read_filter(fields.take("filter"), "filter"),
        with_payload=payload_selection(fields.take("with_payload"), "with_payload", default=True),
        with_vector=with_vector,
        order_by=None if order is None else order_by(order, "order_by"),
    )
    fields.finish()
    records, following = collection.shard.read(lambda engine: engine.scroll(request))
    return {
        "points": [
            json_record(record, with_vector=bool(with_vector), order_value=True)
            for record in records
        ],
        "next_page_offset": None if following is None or order is not None else json_id(following),
    }


def count(storage: Storage, call: Call) -> object:
    collection = storage.collection(call.name)
    fields = call.fields() if call.content else Fields({}, "")
    exact = fields.flag("exact")
    request = edge.CountRequest(
        exact=True if exact is None else exact,
        filter=read_filter(fields.take("filter"), "filter"),
    )
    fields.finish()
    return {"count": collection.shard.read(lambda engine: engine.count(request))}


def facet(storage: Storage, call: Call) -> object:
    collection = storage.collection(call.name)
    fields = call.fields()
    limit = fields.integer("limit", least=1)
    request = edge.FacetRequest(
        key=as_text(fields.required("key"), "key"),
        limit=DEFAULT_LIMIT if limit is None else limit,
        exact=fields.flag("exact") or False,
        filter=read_filter(fields.take("filter"), "filter"),
    )
    fields.finish()
    answer = collection.shard.read(lambda engine: engine.facet(request))
    return {"hits": [{"value": hit.value, "count": hit.count} for hit in answer.hits]}


def reader(collection: Collection) -> Reader:
    def look_up(key: EngineId, name: str) -> edge.NamedVector | None:
        records = collection.shard.read(lambda engine: engine.retrieve([key], False, True))
        if not records:
            return None
        vector = records[0].vector
        if isinstance(vector, dict):
            return vector.get(name)
        return vector if name == "" else None

    return Reader(collection.configuration.shapes, look_up)


def query(storage: Storage, call: Call) -> object:
    collection = storage.collection(call.name)
    request, with_vector = reader(collection).query(call.fields())
    points = collection.shard.read(lambda engine: engine.query(request))
    return {"points": json_scored(points, with_vector=with_vector)}


def query_batch(storage: Storage, call: Call) -> object:
    collection = storage.collection(call.name)
    fields = call.fields()
    searches = fields.items("searches") or []
    fields.finish()
    asking = reader(collection)
    read = [asking.query(Fields(item, f"searches[{i}]")) for i, item in enumerate(searches)]
    batch = edge.QueryBatchRequest([request for request, _ in read])
    answers = collection.shard.read(lambda engine: engine.query_batch(batch))
    return [
        {"points": json_scored(points, with_vector=with_vector)}
        for points, (_, with_vector) in zip(answers, read, strict=True)
    ]


def query_groups(storage: Storage, call: Call) -> object:
    """Group the best hits by a payload value, looking further until the groups are full."""
    collection = storage.collection(call.name)
    fields = call.fields()
    key = as_text(fields.required("group_by"), "group_by")
    groups_wanted = fields.integer("limit", least=1)
    groups_wanted = DEFAULT_LIMIT if groups_wanted is None else groups_wanted
    size = fields.integer("group_size", least=1)
    size = DEFAULT_GROUP_SIZE if size is None else size
    with_payload = fields.take("with_payload")
    with_vector = fields.take("with_vector")
    rest = fields.rest()
    total = collection.shard.read(lambda engine: engine.info().points_count)
    reach = min(max(groups_wanted * size * GROUP_REACH, 1), max(total, 1))
    while True:
        search: dict[str, Json] = rest | {"limit": reach, "with_payload": [key]}
        points = _searched(collection, search)
        groups = grouped(points, key, groups_wanted, size)
        full = len(groups) == groups_wanted and all(len(h) == size for h in groups.values())
        if full or len(points) < reach or reach >= total:
            break
        reach = min(reach * GROUP_REACH, total)
    return {"groups": _filled(collection, groups, with_payload, with_vector)}


def _searched(collection: Collection, search: dict[str, Json]) -> list[edge.ScoredPoint]:
    request, _ = reader(collection).query(Fields(search, ""))
    return collection.shard.read(lambda engine: engine.query(request))


def grouped(
    points: list[edge.ScoredPoint], key: str, limit: int, size: int
) -> dict[str | int, list[edge.ScoredPoint]]:
    """Put points, best first, into the first `limit` groups met; a point may be in several."""
    groups: dict[str | int, list[edge.ScoredPoint]] = {}
    for point in points:
        for value in dict.fromkeys(values_at(point.payload, key)):
            if value not in groups and len(groups) == limit:
                continue
            hits = groups.setdefault(value, [])
            if len(hits) < size:
                hits.append(point)
    return groups


def values_at(payload: object, key: str) -> list[str | int]:
    """Find the strings and integers at a path, through lists with or without `[]`."""
    found = [payload]
    for name in key.split("."):
        found = [
            inner
            for item in found
            if isinstance(item, dict)
            for inner in _flat(item.get(name.removesuffix("[]").strip('"')))
        ]
    return [v for v in found if isinstance(v, str | int) and not isinstance(v, bool)]


def _flat(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else [value]


def _filled(
    collection: Collection,
    groups: dict[str | int, list[edge.ScoredPoint]],
    with_payload: Json,
    with_vector: Json,
) -> list[dict[str, object]]:
    """Add payloads and vectors as asked; the search itself brought only the grouping value."""
    payload = payload_selection(with_payload, "with_payload", default=True)
    vector = vector_selection(with_vector, "with_vector")
    ids: list[EngineId] = list({hit.id: None for hits in groups.values() for hit in hits})
    records = collection.shard.read(lambda engine: engine.retrieve(ids, payload, vector))
    bodies = {r.id: json_record(r, with_vector=bool(vector)) for r in records}
    return [
        {
            "id": value,
            "hits": [
                bodies[hit.id] | {"version": hit.version, "score": hit.score}
                for hit in hits
                if hit.id in bodies
            ],
        }
        for value, hits in groups.items()
    ]
