"""Handlers for collections, aliases and snapshots."""

# the engine's stub names types that do not exist at run time
from __future__ import annotations

from pathlib import Path

import qdrant_edge as edge

from local.qdrant import snapshots
from local.qdrant.calls import Call
from local.qdrant.configuration import Configuration
from local.qdrant.errors import ApiError, bad_request, not_found
from local.qdrant.fields import Fields, as_text
from local.qdrant.storage import Collection, Storage, check_name


def list_collections(storage: Storage, call: Call) -> object:
    return {"collections": [{"name": name} for name in storage.names()]}


def collection_exists(storage: Storage, call: Call) -> object:
    return {"exists": storage.exists(call.name)}


def get_collection(storage: Storage, call: Call) -> object:
    collection = storage.collection(call.name)
    info = collection.shard.read(lambda engine: engine.info())
    return {
        "status": "yellow" if collection.optimizing else "green",
        "optimizer_status": "ok",
        "indexed_vectors_count": info.indexed_vectors_count,
        "points_count": info.points_count,
        "segments_count": info.segments_count,
        "config": collection.configuration.described(),
        "payload_schema": {
            field: _index_info(collection, field, index)
            for field, index in info.payload_schema.items()
        },
        "created_at": collection.entry.created_at,
    }


def _index_info(
    collection: Collection, field: str, index: edge.PayloadIndexInfo
) -> dict[str, object]:
    kind = str(index.data_type).rpartition(".")[2].lower()
    body: dict[str, object] = {"data_type": kind, "points": index.points}
    given = collection.entry.indexes.get(field)
    if isinstance(given, dict):
        body["params"] = given
    return body


def create_collection(storage: Storage, call: Call) -> object:
    body = call.json()
    storage.create(call.name, Configuration.read(body))
    return True


def update_collection(storage: Storage, call: Call) -> object:
    collection = storage.collection(call.name)
    storage.reconfigure(collection, collection.configuration.patched(call.json()))
    return True


def delete_collection(storage: Storage, call: Call) -> object:
    return storage.delete(call.name)


def list_aliases(storage: Storage, call: Call) -> object:
    return _aliases(storage.aliases())


def collection_aliases(storage: Storage, call: Call) -> object:
    name = storage.collection(call.name).name
    return _aliases({a: target for a, target in storage.aliases().items() if target == name})


def _aliases(found: dict[str, str]) -> dict[str, object]:
    return {
        "aliases": [
            {"alias_name": alias, "collection_name": name} for alias, name in sorted(found.items())
        ]
    }


def change_aliases(storage: Storage, call: Call) -> object:
    body = call.fields()
    actions = [Fields(a, f"actions[{i}]") for i, a in enumerate(body.items("actions") or [])]
    body.finish()

    def change(aliases: dict[str, str]) -> None:
        for action in actions:
            _change_alias(storage, aliases, action)

    storage.change_aliases(change)
    return True


def _change_alias(storage: Storage, aliases: dict[str, str], action: Fields) -> None:
    create, delete = action.object("create_alias"), action.object("delete_alias")
    rename = action.object("rename_alias")
    action.finish()
    if create is not None:
        name = as_text(create.required("collection_name"), create.at("collection_name"))
        alias = as_text(create.required("alias_name"), create.at("alias_name"))
        create.finish()
        check_name(alias, "alias")
        if name not in storage.names():
            message = f"Collection `{name}` doesn't exist!"
            raise not_found(message)
        _refuse_taken(storage, alias)
        aliases[alias] = name
    elif delete is not None:
        alias = as_text(delete.required("alias_name"), delete.at("alias_name"))
        delete.finish()
        _require_alias(aliases, alias)
        del aliases[alias]
    elif rename is not None:
        old = as_text(rename.required("old_alias_name"), rename.at("old_alias_name"))
        new = as_text(rename.required("new_alias_name"), rename.at("new_alias_name"))
        rename.finish()
        _require_alias(aliases, old)
        check_name(new, "alias")
        _refuse_taken(storage, new)
        aliases[new] = aliases.pop(old)
    else:
        message = f"`{action.where}` must say create_alias, delete_alias or rename_alias"
        raise bad_request(message)


def _refuse_taken(storage: Storage, alias: str) -> None:
    if alias in storage.names():
        message = f"Wrong input: Collection `{alias}` already exists!"
        raise ApiError(409, message)


def _require_alias(aliases: dict[str, str], alias: str) -> None:
    if alias not in aliases:
        message = f"Alias {alias} does not exists!"
        raise not_found(message)


def create_snapshot(storage: Storage, call: Call) -> object:
    return snapshots.create(storage, storage.collection(call.name))


def list_snapshots(storage: Storage, call: Call) -> object:
    return snapshots.listed(storage, storage.collection(call.name))


def download_snapshot(storage: Storage, call: Call) -> Path:
    return snapshots.find(storage, storage.collection(call.name), call.path["snapshot_name"])


def delete_snapshot(storage: Storage, call: Call) -> object:
    snapshots.delete(storage, storage.collection(call.name), call.path["snapshot_name"])
    return True


def recover_snapshot(storage: Storage, call: Call) -> object:
    fields = call.fields()
    location = as_text(fields.required("location"), "location")
    checksum = fields.text("checksum")
    # which replica wins is no question where there is one
    fields.text("priority")
    fields.finish()
    name = storage.collection(call.name).name if storage.exists(call.name) else call.name
    snapshots.recover(storage, name, location, checksum)
    return True
