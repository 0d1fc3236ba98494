"""A collection's settings: from Qdrant's JSON to the engine, and back for GET."""

from dataclasses import dataclass
from typing import Any

import qdrant_edge as edge

from local.qdrant.errors import bad_request, unsupported
from local.qdrant.fields import Fields, Json, as_choice, expected
from local.qdrant.points import VectorShapes

HNSW_DEFAULTS: dict[str, Json] = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000}
OPTIMIZER_DEFAULTS: dict[str, Json] = {
    "deleted_threshold": 0.2,
    "vacuum_min_vector_number": 1000,
    "default_segment_number": 0,
    "max_segment_size": None,
    "memmap_threshold": None,
    "indexing_threshold": 10000,
    "flush_interval_sec": 5,
    "max_optimization_threads": None,
}
# one process on one disk: these change nothing here and are only told back
CLUSTER_FIELDS = ("shard_number", "replication_factor", "write_consistency_factor")
BODY, VECTORS, SPARSE = "the body", "vectors", "sparse_vectors"
SECTIONS = ("hnsw_config", "optimizers_config", "metadata")
Quantization = (
    edge.ScalarQuantizationConfig
    | edge.ProductQuantizationConfig
    | edge.BinaryQuantizationConfig
    | edge.TurboQuantQuantizationConfig
)
JsonObject = dict[str, Json]


@dataclass(frozen=True)
class Configuration:
    """The settings as given, checked by building the engine's from them."""

    given: JsonObject
    engine: edge.EdgeConfig
    shapes: VectorShapes

    @staticmethod
    def read(body: Json) -> "Configuration":
        if not isinstance(body, dict):
            raise expected(BODY, body, "an object")
        fields = Fields(body, "")
        vectors = fields.take("vectors")
        sparse = fields.take("sparse_vectors")
        hnsw = fields.take("hnsw_config")
        dense_params = _dense(vectors, hnsw)
        sparse_params = _sparse(sparse)
        if not dense_params and not sparse_params:
            message = "a collection needs `vectors` or `sparse_vectors`"
            raise bad_request(message)
        for name in CLUSTER_FIELDS:
            fields.integer(name, least=1)
        for name in ("wal_config", "metadata"):
            fields.object(name)
        payload = fields.object("payload")
        id_tracker = fields.object("id_tracker")
        engine = edge.EdgeConfig(
            vectors=dict(dense_params),
            sparse_vectors=dict(sparse_params),
            on_disk_payload=fields.flag("on_disk_payload"),
            hnsw_config=None if hnsw is None else _hnsw(Fields(hnsw, "hnsw_config")),
            quantization_config=_quantization(fields.object("quantization_config")),
            optimizers=_optimizers(fields.object("optimizers_config")),
            payload_memory=None if payload is None else _memory(payload),
            id_tracker_memory=None if id_tracker is None else _memory(id_tracker),
        )
        fields.finish()
        shapes = VectorShapes(
            {name: params.size for name, params in dense_params.items()}, frozenset(sparse_params)
        )
        given: JsonObject = {key: value for key, value in body.items() if value is not None}
        return Configuration(given, engine, shapes)

    def patched(self, body: Json) -> "Configuration":
        """Merge an update; sizes and distances are not in it and cannot change."""
        fields = Fields(body, "")
        given = dict(self.given)
        for section in SECTIONS:
            change = fields.take(section)
            if change is not None:
                given[section] = _merged(given.get(section), change, section)
        change = fields.take("quantization_config")
        if change == "Disabled":
            given.pop("quantization_config", None)
        elif change is not None:
            given["quantization_config"] = change
        params = fields.take("params")
        if params is not None:
            given = _merged(given, params, "params")
        fields.finish()
        return Configuration.read(given)

    def described(self) -> dict[str, object]:
        """The `config` part of a collection's description."""
        given = self.given
        params: dict[str, object] = {
            "vectors": given.get("vectors", {}),
            "shard_number": given.get("shard_number", 1),
            "replication_factor": given.get("replication_factor", 1),
            "write_consistency_factor": given.get("write_consistency_factor", 1),
            "on_disk_payload": given.get("on_disk_payload", True),
        }
        if "sparse_vectors" in given:
            params["sparse_vectors"] = given["sparse_vectors"]
        hnsw = HNSW_DEFAULTS | {"max_indexing_threads": 0} | _object(given.get("hnsw_config"))
        wal = {"wal_capacity_mb": 32, "wal_segments_ahead": 0, "wal_retain_closed": 1}
        return {
            "params": params,
            "hnsw_config": hnsw,
            "optimizer_config": OPTIMIZER_DEFAULTS | _object(given.get("optimizers_config")),
            "wal_config": wal,
            "quantization_config": given.get("quantization_config"),
            "metadata": given.get("metadata"),
        }


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _merged(old: Json, new: Json, where: str) -> JsonObject:
    if not isinstance(new, dict):
        raise expected(where, new, "an object")
    return _object(old) | new


def _memory(fields: Fields) -> edge.Memory | None:
    memory = fields.choice("memory", edge.Memory)
    fields.finish()
    return memory


def _dense(value: Json, hnsw: Json) -> dict[str, edge.EdgeVectorParams]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise expected(VECTORS, value, "an object")
    if "size" in value:
        return {"": _vector_params(Fields(value, "vectors"), hnsw)}
    return {
        name: _vector_params(Fields(item, f"vectors.{name}"), hnsw) for name, item in value.items()
    }


def _vector_params(fields: Fields, hnsw: Json) -> edge.EdgeVectorParams:
    size = fields.integer("size", least=1)
    distance = as_choice(fields.required("distance"), edge.Distance, fields.at("distance"))
    own = fields.take("hnsw_config")
    where = fields.at("hnsw_config")
    if fields.take("multivector_config") is not None:
        what = f"multi vectors (`{fields.at('multivector_config')}`)"
        raise unsupported(what)
    if size is None or size > 65536:
        raise expected(fields.at("size"), size, "an integer from 1 to 65536")
    params = edge.EdgeVectorParams(
        size=size,
        distance=distance,
        on_disk=fields.flag("on_disk"),
        datatype=fields.choice("datatype", edge.VectorStorageDatatype),
        quantization_config=_quantization(fields.object("quantization_config")),
        hnsw_config=None if own is None else _hnsw(Fields(_merged(hnsw, own, where), where)),
        memory=fields.choice("memory", edge.Memory),
    )
    fields.finish()
    return params


def _sparse(value: Json) -> dict[str, edge.EdgeSparseVectorParams]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise expected(SPARSE, value, "an object")
    found = {}
    for name, item in value.items():
        fields = Fields({} if item is None else item, f"sparse_vectors.{name}")
        index = fields.object("index") or Fields({}, fields.at("index"))
        modifier = fields.text("modifier")
        found[name] = edge.EdgeSparseVectorParams(
            full_scan_threshold=index.integer("full_scan_threshold"),
            on_disk=index.flag("on_disk"),
            modifier=None
            if modifier in (None, "none")
            else as_choice(modifier, edge.Modifier, fields.at("modifier")),
            datatype=index.choice("datatype", edge.VectorStorageDatatype),
            memory=index.choice("memory", edge.Memory),
        )
        index.finish()
        fields.finish()
    return found


def _hnsw(fields: Fields) -> edge.HnswIndexConfig:
    numbers: dict[str, Any] = dict(HNSW_DEFAULTS)
    for name in HNSW_DEFAULTS:
        given = fields.integer(name)
        if given is not None:
            numbers[name] = given
    config = edge.HnswIndexConfig(
        **numbers,
        max_indexing_threads=fields.integer("max_indexing_threads") or 0,
        on_disk=fields.flag("on_disk"),
        payload_m=fields.integer("payload_m"),
        inline_storage=fields.flag("inline_storage"),
        memory=fields.choice("memory", edge.Memory),
    )
    fields.finish()
    return config


def _optimizers(fields: Fields | None) -> edge.EdgeOptimizersConfig | None:
    if fields is None:
        return None
    # how the server schedules its own work; the engine has no such knobs
    for name in ("memmap_threshold", "flush_interval_sec", "max_optimization_threads"):
        fields.take(name)
    config = edge.EdgeOptimizersConfig(
        deleted_threshold=fields.number("deleted_threshold"),
        vacuum_min_vector_number=fields.integer("vacuum_min_vector_number"),
        default_segment_number=fields.integer("default_segment_number"),
        max_segment_size=fields.integer("max_segment_size"),
        indexing_threshold=fields.integer("indexing_threshold"),
        prevent_unoptimized=fields.flag("prevent_unoptimized"),
    )
    fields.finish()
    return config


def _quantization(fields: Fields | None) -> Quantization | None:
    if fields is None:
        return None
    kinds = [kind for kind in ("scalar", "product", "binary", "turbo") if kind in fields]
    inner = fields.object(kinds[0]) if kinds else None
    fields.finish()
    if inner is None:
        raise expected(fields.where, {}, "an object with scalar, product, binary or turbo")
    always_ram, memory = inner.flag("always_ram"), inner.choice("memory", edge.Memory)
    config: Quantization
    match kinds[0]:
        case "scalar":
            config = edge.ScalarQuantizationConfig(
                type=as_choice(inner.required("type"), edge.ScalarType, inner.at("type")),
                quantile=inner.number("quantile"),
                always_ram=always_ram,
                memory=memory,
            )
        case "product":
            ratio = inner.required("compression")
            config = edge.ProductQuantizationConfig(
                compression=as_choice(ratio, edge.CompressionRatio, inner.at("compression")),
                always_ram=always_ram,
                memory=memory,
            )
        case "binary":
            config = edge.BinaryQuantizationConfig(
                always_ram=always_ram,
                memory=memory,
                encoding=inner.choice("encoding", edge.BinaryQuantizationEncoding),
                query_encoding=inner.choice("query_encoding", edge.BinaryQuantizationQueryEncoding),
            )
        case _:
            config = edge.TurboQuantQuantizationConfig(
                always_ram=always_ram,
                memory=memory,
                bits=inner.choice("bits", edge.TurboQuantBitSize),
            )
    inner.finish()
    return config
