"""Points, vectors and payload selections between JSON and the engine."""

# the engine's stub names unions that do not exist at run time
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

import qdrant_edge as edge

from local.qdrant.errors import bad_request, format_error
from local.qdrant.fields import Fields, Json, as_text, expected, shown

EngineId: TypeAlias = "edge.PointId"


@dataclass(frozen=True)
class VectorShapes:
    """The vectors that a collection holds: dense with their size, sparse by name."""

    dense: Mapping[str, int]
    sparse: frozenset[str]

    def known(self, name: str) -> None:
        if name not in self.dense and name not in self.sparse:
            message = f"Not existing vector name error: {name}"
            raise bad_request(message)


def point_id(value: Json, where: str) -> EngineId:
    """Read an id: an unsigned integer or a UUID in any of its spellings."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64:
        return value
    if isinstance(value, str):
        try:
            return UUID(value)
        except ValueError:
            pass
    message = (
        f"value {shown(value)} at `{where}` is not a valid point ID, "
        "valid values are either an unsigned integer or a UUID"
    )
    raise format_error(message)


def point_ids(values: list[Json], where: str) -> list[EngineId]:
    return [point_id(value, f"{where}[{i}]") for i, value in enumerate(values)]


def json_id(value: object) -> int | str:
    return value if isinstance(value, int) else str(value)


def dense(value: list[Json], size: int, where: str) -> list[float]:
    """Check the size before the engine sees it: an operation that fails is in its log for good."""
    if value and isinstance(value[0], list):
        message = f"`{where}` is a multi vector, the collection has a single dense vector"
        raise bad_request(message)
    numbers = [item for item in value if type(item) is float or type(item) is int]
    if len(numbers) != len(value):
        raise expected(where, value, "a list of numbers")
    if len(numbers) != size:
        message = f"Vector dimension error: expected dim: {size}, got {len(numbers)}"
        raise bad_request(message)
    return numbers


def sparse(value: Json, where: str) -> edge.SparseVector:
    fields = Fields(value, where)
    indices = fields.items("indices") or []
    values = fields.items("values") or []
    fields.finish()
    places = [i for i in indices if type(i) is int and 0 <= i < 2**32]
    weights = [float(v) for v in values if type(v) is float or type(v) is int]
    if len(places) != len(indices) or len(weights) != len(values):
        raise expected(where, value, "indices (integers from 0 to 4294967295) and values (numbers)")
    if len(places) != len(weights):
        message = f"`{where}` has {len(places)} indices and {len(weights)} values"
        raise bad_request(message)
    if len(set(places)) != len(places):
        message = f"`{where}.indices` must be unique"
        raise bad_request(message)
    order = sorted(range(len(places)), key=places.__getitem__)
    return edge.SparseVector([places[i] for i in order], [weights[i] for i in order])


def one_vector(value: Json, name: str, shapes: VectorShapes, where: str) -> edge.NamedVector:
    shapes.known(name)
    if name in shapes.sparse:
        return sparse(value, where)
    if isinstance(value, list):
        return dense(value, shapes.dense[name], where)
    if isinstance(value, dict) and "indices" in value:
        message = f"Conversion between sparse and regular vectors failed: `{where}` is dense"
        raise bad_request(message)
    raise expected(where, value, "a vector")


def vectors(value: Json, shapes: VectorShapes, where: str) -> edge.Vector:
    """Read a point's vectors: one list for the unnamed vector, or an object by name."""
    if isinstance(value, dict):
        return {
            name: one_vector(item, name, shapes, f"{where}.{name}")
            for name, item in value.items()
            if item is not None
        }
    if isinstance(value, list):
        return {"": one_vector(value, "", shapes, where)}
    raise expected(where, value, "a vector or an object of named vectors")


def payload_selection(value: Json, where: str, *, default: bool) -> edge.WithPayloadType:
    if value is None:
        return default
    if isinstance(value, bool):
        return value
    if isinstance(value, list):
        return [as_text(item, where) for item in value]
    fields = Fields(value, where)
    include, exclude = fields.texts("include"), fields.texts("exclude")
    fields.finish()
    if (include is None) == (exclude is None):
        raise expected(where, value, "true, false, a list of keys, or include or exclude")
    if include is not None:
        return edge.PayloadSelector.Include(include)
    return edge.PayloadSelector.Exclude(exclude or [])


def vector_selection(value: Json, where: str) -> edge.WithVectorType:
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, list):
        return [as_text(item, where) for item in value]
    raise expected(where, value, "true, false or a list of vector names")


def json_vector(value: object) -> object:
    if isinstance(value, edge.SparseVector):
        return {"indices": value.indices, "values": value.values}
    if isinstance(value, dict):
        return {name: json_vector(item) for name, item in value.items()}
    return value


def json_record(
    record: edge.Record | edge.ScoredPoint, *, with_vector: bool, order_value: bool = False
) -> dict[str, object]:
    found: dict[str, object] = {"id": json_id(record.id), "payload": record.payload}
    # diversified queries bring vectors along that nobody asked for
    found["vector"] = json_vector(record.vector) if with_vector else None
    if order_value and record.order_value is not None:
        found["order_value"] = record.order_value
    return found


def json_scored(
    points: Sequence[edge.ScoredPoint], *, with_vector: bool
) -> list[dict[str, object]]:
    return [
        json_record(point, with_vector=with_vector, order_value=True)
        | {"version": point.version, "score": point.score}
        for point in points
    ]
