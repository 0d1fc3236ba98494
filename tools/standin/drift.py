"""What a live object has in place of what the program asked for."""

from typing import Any

from tools.standin.wire import Manifest

# What the API server merges lists of objects by; all other lists are one value.
MERGE_KEYS = (
    "name",
    "containerPort",
    "port",
    "mountPath",
    "devicePath",
    "topologyKey",
    "ip",
    "key",
    "type",
)


def observed(wanted: Any, expected: Any, live: Any) -> Any:
    """Return the wanted value with the parts that the live object has otherwise.

    `expected` is what the server makes of `wanted` (a dry run): a value that it only writes
    another way (1024Mi, 1Gi) is no drift.
    """
    if expected == live:
        return wanted
    if isinstance(wanted, dict) and isinstance(expected, dict) and isinstance(live, dict):
        return {
            key: observed(value, expected.get(key), live[key])
            for key, value in wanted.items()
            if key in live
        }
    if isinstance(wanted, list) and isinstance(expected, list) and isinstance(live, list):
        return _observed_list(wanted, expected, live)
    return live


def _observed_list(wanted: list[Any], expected: list[Any], live: list[Any]) -> list[Any]:
    key = _merge_key(wanted, expected, live)
    if key is not None:
        want_by, live_by = _by(expected, key), _by(live, key)
        return [
            observed(item, want_by.get(item[key]), live_by[item[key]])
            for item in wanted
            if item[key] in live_by
        ]
    if len(wanted) == len(expected) == len(live):
        return [observed(*three) for three in zip(wanted, expected, live, strict=True)]
    return live


def _merge_key(*lists: list[Any]) -> str | None:
    for key in MERGE_KEYS:
        if all(
            all(isinstance(item, dict) and key in item for item in items)
            and len(_by(items, key)) == len(items)
            for items in lists
        ):
            return key
    return None


def _by(items: list[Any], key: str) -> dict[Any, Manifest]:
    return {item[key]: item for item in items}
