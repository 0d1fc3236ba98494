"""Handlers that change points: upsert, delete, vectors, payloads, indexes, batches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import qdrant_edge as edge

from local.qdrant.calls import Call
from local.qdrant.errors import bad_request, format_error, not_found, unsupported
from local.qdrant.fields import Fields, Json, as_text, expected
from local.qdrant.filters import read_filter, required_filter
from local.qdrant.indexes import read_schema
from local.qdrant.points import EngineId, json_id, point_id, point_ids, vectors
from local.qdrant.storage import Collection, Storage


@dataclass(frozen=True)
class Change:
    """Operations for the engine, and about how many points they touch."""

    operations: Sequence[edge.UpdateOperation]
    points: int


Read = Callable[[Collection, Fields], Change]


def handler(read: Read, *, freeing: bool = False) -> Callable[[Storage, Call], object]:
    """Make a route's handler out of a reader of its body."""

    def handle(storage: Storage, call: Call) -> object:
        collection = storage.collection(call.name)
        storage.require_space(len(call.content), freeing=freeing)
        change = read(collection, call.fields())
        return written(collection, change, call)

    return handle


def written(collection: Collection, change: Change, call: Call) -> dict[str, object]:
    """Write; both answers mean on disk, `wait` only decides what it is called."""
    waits = call.waits()
    number = collection.shard.write(change.operations, change.points)
    return {"operation_id": number, "status": "completed" if waits else "acknowledged"}


def upsert(collection: Collection, fields: Fields) -> Change:
    shapes = collection.configuration.shapes
    batch = fields.object("batch")
    rows = fields.items("points") if batch is None else _rows(batch)
    condition = read_filter(fields.take("update_filter"), fields.at("update_filter"))
    mode = fields.choice("update_mode", edge.UpdateMode)
    fields.finish()
    if rows is None:
        message = "missing field `points` or `batch`"
        raise format_error(message)
    points: list[edge.Point] = []
    for i, row in enumerate(rows):
        point = Fields(row, f"{fields.at('points')}[{i}]")
        key = point_id(point.required("id"), point.at("id"))
        vector = vectors(point.required("vector"), shapes, point.at("vector"))
        payload = point.take("payload")
        point.finish()
        points.append(edge.Point(key, vector, _payload(payload, point.at("payload"))))
    operation = edge.UpdateOperation.upsert_points(points, condition, mode)
    return Change([operation] if points else [], len(points))


def _rows(batch: Fields) -> list[Json]:
    """Turn columns into rows."""
    ids = batch.items("ids") or []
    columns = batch.take("vectors")
    payloads = batch.items("payloads") or [None] * len(ids)
    batch.finish()
    found: list[Json] = []
    if isinstance(columns, dict):
        lists = {name: column for name, column in columns.items() if isinstance(column, list)}
        if any(len(lists.get(name, [])) != len(ids) for name in columns):
            message = f"`{batch.at('vectors')}` must have one vector per id under every name"
            raise bad_request(message)
        found = [{name: column[i] for name, column in lists.items()} for i in range(len(ids))]
    elif isinstance(columns, list):
        found = columns
    else:
        raise expected(batch.at("vectors"), columns, "a list, or an object of lists")
    if not len(ids) == len(found) == len(payloads):
        message = f"{len(ids)} ids, {len(found)} vectors and {len(payloads)} payloads do not match"
        raise bad_request(message)
    return [
        {"id": key, "vector": vector, "payload": payload}
        for key, vector, payload in zip(ids, found, payloads, strict=True)
    ]


def _payload(value: Json, where: str) -> dict[str, Json] | None:
    if value is None or isinstance(value, dict):
        return value
    raise expected(where, value, "an object")


@dataclass(frozen=True)
class Target:
    """The points that a change is for: ids, else a filter."""

    ids: list[EngineId] | None
    filter: edge.Filter | None

    def both(
        self,
        by_ids: Callable[[list[EngineId]], edge.UpdateOperation],
        by_filter: Callable[[edge.Filter], edge.UpdateOperation],
    ) -> edge.UpdateOperation:
        if self.ids is not None:
            return by_ids(self.ids)
        assert self.filter is not None
        return by_filter(self.filter)


def _target(fields: Fields) -> Target:
    where = fields.where or "the body"
    ids = fields.items("points")
    condition = fields.take("filter")
    fields.finish()
    if ids is not None and condition is not None:
        what = f"`points` and `filter` together in `{where}`"
        raise unsupported(what)
    if ids is not None:
        return Target(point_ids(ids, fields.at("points")), None)
    if condition is None:
        message = f"`{where}` needs `points` or `filter`"
        raise bad_request(message)
    return Target(None, required_filter(condition, fields.at("filter")))


def _size(collection: Collection, target: Target) -> int:
    if target.ids is not None:
        return len(target.ids)
    request = edge.CountRequest(exact=False, filter=target.filter)
    return collection.shard.read(lambda engine: engine.count(request))


def _require_points(collection: Collection, ids: list[EngineId]) -> None:
    """Refuse before the engine does: it would apply half and keep the operation in its log."""
    records = collection.shard.read(lambda engine: engine.retrieve(ids, False, False))
    found = {record.id for record in records}
    for key in ids:
        if key not in found:
            message = f"No point with id {json_id(key)} found"
            raise not_found(message)


def delete_points(collection: Collection, fields: Fields) -> Change:
    target = _target(fields)
    operation = target.both(
        edge.UpdateOperation.delete_points, edge.UpdateOperation.delete_points_by_filter
    )
    return Change([operation], _size(collection, target))


def set_payload(collection: Collection, fields: Fields) -> Change:
    payload = _payload(fields.required("payload"), fields.at("payload")) or {}
    key = fields.text("key")
    target = _target(fields)
    if target.ids is not None:
        _require_points(collection, target.ids)
    update = edge.UpdateOperation
    operation = target.both(
        lambda ids: update.set_payload(ids, payload, key),
        lambda condition: update.set_payload_by_filter(condition, payload, key),
    )
    return Change([operation], 0)


def overwrite_payload(collection: Collection, fields: Fields) -> Change:
    payload = _payload(fields.required("payload"), fields.at("payload")) or {}
    key = fields.text("key")
    target = _target(fields)
    if target.ids is not None:
        _require_points(collection, target.ids)
    update = edge.UpdateOperation
    operation = target.both(
        lambda ids: update.overwrite_payload(ids, payload, key),
        lambda condition: update.overwrite_payload_by_filter(condition, payload, key),
    )
    return Change([operation], 0)


def delete_payload(collection: Collection, fields: Fields) -> Change:
    keys = fields.texts("keys") or []
    target = _target(fields)
    if target.ids is not None:
        _require_points(collection, target.ids)
    update = edge.UpdateOperation
    operation = target.both(
        lambda ids: update.delete_payload(ids, keys),
        lambda condition: update.delete_payload_by_filter(condition, keys),
    )
    return Change([operation], 0)


def clear_payload(collection: Collection, fields: Fields) -> Change:
    target = _target(fields)
    if target.ids is not None:
        _require_points(collection, target.ids)
    update = edge.UpdateOperation
    return Change([target.both(update.clear_payload, update.clear_payload_by_filter)], 0)


def update_vectors(collection: Collection, fields: Fields) -> Change:
    shapes = collection.configuration.shapes
    condition = read_filter(fields.take("update_filter"), fields.at("update_filter"))
    rows = fields.items("points") or []
    fields.finish()
    changes: list[edge.PointVectors] = []
    ids: list[EngineId] = []
    for i, row in enumerate(rows):
        point = Fields(row, f"{fields.at('points')}[{i}]")
        ids.append(point_id(point.required("id"), point.at("id")))
        vector = vectors(point.required("vector"), shapes, point.at("vector"))
        point.finish()
        changes.append(edge.PointVectors(ids[-1], vector))
    _require_points(collection, ids)
    operation = edge.UpdateOperation.update_vectors(changes, condition)
    return Change([operation] if changes else [], len(changes))


def delete_vectors(collection: Collection, fields: Fields) -> Change:
    names = fields.texts("vector") or []
    for name in names:
        collection.configuration.shapes.known(name)
    target = _target(fields)
    if target.ids is not None:
        _require_points(collection, target.ids)
    update = edge.UpdateOperation
    operation = target.both(
        lambda ids: update.delete_vectors(ids, names),
        lambda condition: update.delete_vectors_by_filter(condition, names),
    )
    return Change([operation], _size(collection, target))


BATCH: dict[str, Read] = {
    "upsert": upsert,
    "delete": delete_points,
    "set_payload": set_payload,
    "overwrite_payload": overwrite_payload,
    "delete_payload": delete_payload,
    "clear_payload": clear_payload,
    "update_vectors": update_vectors,
    "delete_vectors": delete_vectors,
}


def batch_update(storage: Storage, call: Call) -> object:
    """Apply a list of operations one after another, each durable before the next."""
    collection = storage.collection(call.name)
    storage.require_space(len(call.content))
    body = call.fields()
    operations = body.items("operations") or []
    body.finish()
    results: list[object] = []
    for i, item in enumerate(operations):
        fields = Fields(item, f"operations[{i}]")
        kind = next((name for name in BATCH if name in fields), None)
        if kind is None:
            fields.finish()
            message = f"`{fields.where}` must say one of {', '.join(BATCH)}"
            raise bad_request(message)
        inner = Fields(fields.take(kind), fields.at(kind))
        fields.finish()
        results.append(written(collection, BATCH[kind](collection, inner), call))
    return results


def create_index(storage: Storage, call: Call) -> object:
    collection = storage.collection(call.name)
    storage.require_space(len(call.content))
    fields = call.fields()
    name = as_text(fields.required("field_name"), "field_name")
    given = fields.take("field_schema")
    fields.finish()
    if given is None:
        what = "guessing the type of a payload index, say `field_schema`"
        raise unsupported(what)
    operation = edge.UpdateOperation.create_field_index(name, read_schema(given, "field_schema"))
    answer = written(collection, Change([operation], 0), call)
    storage.set_index(collection, name, given)
    return answer


def delete_index(storage: Storage, call: Call) -> object:
    collection = storage.collection(call.name)
    name = call.path["field_name"]
    operation = edge.UpdateOperation.delete_field_index(name)
    answer = written(collection, Change([operation], 0), call)
    storage.set_index(collection, name, None)
    return answer
