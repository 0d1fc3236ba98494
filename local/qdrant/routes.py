"""The table of routes: everything else is answered with 501."""

from collections.abc import Callable
from dataclasses import dataclass

from local.qdrant import managing, reading, writing
from local.qdrant.access import Access
from local.qdrant.calls import Call
from local.qdrant.storage import Storage

COLLECTION = "/collections/{collection_name}"
POINTS = f"{COLLECTION}/points"
SNAPSHOT = f"{COLLECTION}/snapshots"


@dataclass(frozen=True)
class Served:
    """One method on one path, the key that it needs and who answers."""

    method: str
    path: str
    access: Access
    handler: Callable[[Storage, Call], object]


ROUTES = (
    Served("GET", "/collections", "read", managing.list_collections),
    Served("POST", "/collections/aliases", "write", managing.change_aliases),
    Served("GET", "/aliases", "read", managing.list_aliases),
    Served("GET", COLLECTION, "read", managing.get_collection),
    Served("PUT", COLLECTION, "write", managing.create_collection),
    Served("PATCH", COLLECTION, "write", managing.update_collection),
    Served("DELETE", COLLECTION, "write", managing.delete_collection),
    Served("GET", f"{COLLECTION}/exists", "read", managing.collection_exists),
    Served("GET", f"{COLLECTION}/aliases", "read", managing.collection_aliases),
    Served("PUT", f"{COLLECTION}/index", "write", writing.create_index),
    Served("DELETE", f"{COLLECTION}/index/{{field_name:path}}", "write", writing.delete_index),
    Served("POST", f"{COLLECTION}/facet", "read", reading.facet),
    Served("GET", SNAPSHOT, "read", managing.list_snapshots),
    Served("POST", SNAPSHOT, "write", managing.create_snapshot),
    Served("PUT", f"{SNAPSHOT}/recover", "write", managing.recover_snapshot),
    Served("GET", f"{SNAPSHOT}/{{snapshot_name}}", "write", managing.download_snapshot),
    Served("DELETE", f"{SNAPSHOT}/{{snapshot_name}}", "write", managing.delete_snapshot),
    Served("PUT", POINTS, "write", writing.handler(writing.upsert)),
    Served("POST", POINTS, "read", reading.get_points),
    Served("POST", f"{POINTS}/batch", "write", writing.batch_update),
    Served("POST", f"{POINTS}/count", "read", reading.count),
    Served(
        "POST", f"{POINTS}/delete", "write", writing.handler(writing.delete_points, freeing=True)
    ),
    Served("POST", f"{POINTS}/payload", "write", writing.handler(writing.set_payload)),
    Served("PUT", f"{POINTS}/payload", "write", writing.handler(writing.overwrite_payload)),
    Served("POST", f"{POINTS}/payload/clear", "write", writing.handler(writing.clear_payload)),
    Served("POST", f"{POINTS}/payload/delete", "write", writing.handler(writing.delete_payload)),
    Served("POST", f"{POINTS}/query", "read", reading.query),
    Served("POST", f"{POINTS}/query/batch", "read", reading.query_batch),
    Served("POST", f"{POINTS}/query/groups", "read", reading.query_groups),
    Served("POST", f"{POINTS}/scroll", "read", reading.scroll),
    Served("PUT", f"{POINTS}/vectors", "write", writing.handler(writing.update_vectors)),
    Served("POST", f"{POINTS}/vectors/delete", "write", writing.handler(writing.delete_vectors)),
    Served("GET", f"{POINTS}/{{id}}", "read", reading.get_point),
)
