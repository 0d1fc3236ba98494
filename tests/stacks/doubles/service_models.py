"""Checks requests to AWS against AWS's own service models, as botocore carries them."""

import gzip
import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

Shape = dict[str, Any]
UNKNOWN = (
    "04da6b54-80e4-46f7-96ec-b56ff0331ba9"  # the engine's mark of a value that is not there yet
)


@cache
def model(service: str) -> dict[str, Any]:
    """Return the newest model of a service."""
    found = importlib.util.find_spec("botocore")
    assert found is not None
    assert found.origin is not None
    versions = sorted((Path(found.origin).parent / "data" / service).iterdir())
    read: dict[str, Any] = json.loads(
        gzip.decompress((versions[-1] / "service-2.json.gz").read_bytes())
    )
    return read


def problems(service: str, operation: str, request: dict[str, Any]) -> list[str]:
    """Return what AWS would refuse: unknown and missing members, types, enums, patterns, sizes."""
    shapes = model(service)["shapes"]
    name = model(service)["operations"][operation]["input"]["shape"]
    return list(_check(shapes, name, request, operation))


def _check(shapes: dict[str, Shape], name: str, value: Any, where: str) -> list[str]:
    shape = shapes[name]
    if value == UNKNOWN:
        return []
    kind = shape["type"]
    if kind == "structure":
        if not isinstance(value, dict):
            return [f"{where} is {value!r}, not a structure"]
        found = [f"{where} lacks {each}" for each in shape.get("required", []) if each not in value]
        for key, each in value.items():
            if key not in shape["members"]:
                found.append(f"{where} has no {key}")
            else:
                found += _check(shapes, shape["members"][key]["shape"], each, f"{where}.{key}")
        return found
    if kind == "list":
        if not isinstance(value, list):
            return [f"{where} is {value!r}, not a list"]
        found = _size(shape, len(value), where)
        for number, each in enumerate(value):
            found += _check(shapes, shape["member"]["shape"], each, f"{where}[{number}]")
        return found
    if kind == "map":
        found = []
        for key, each in value.items():
            found += _check(shapes, shape["key"]["shape"], key, f"{where} key")
            found += _check(shapes, shape["value"]["shape"], each, f"{where}.{key}")
        return found
    return _scalar(shape, value, where)


def _scalar(shape: Shape, value: Any, where: str) -> list[str]:
    kind = shape["type"]
    if kind in ("integer", "long", "float", "double"):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return _size(shape, value, where) if number else [f"{where} is {value!r}, not a number"]
    if kind == "boolean":
        return [] if isinstance(value, bool) else [f"{where} is {value!r}, not true or false"]
    if kind != "string":
        return []
    if not isinstance(value, str):
        return [f"{where} is {value!r}, not a text"]
    if "enum" in shape and value not in shape["enum"]:
        return [f"{where} is '{value}', not one of {', '.join(shape['enum'])}"]
    pattern = _python(shape.get("pattern", ""))
    if pattern and not re.fullmatch(pattern, value):
        return [f"{where} is '{value}', which does not match {pattern}"]
    return _size(shape, len(value), where)


def _size(shape: Shape, size: float, where: str) -> list[str]:
    least, most = shape.get("min"), shape.get("max")
    if least is not None and size < least:
        return [f"{where} is {size}, less than {least}"]
    if most is not None and size > most:
        return [f"{where} is {size}, more than {most}"]
    return []


def _python(pattern: str) -> str:
    """Return a Java pattern as Python's: classes, ends and characters beyond 16 bits differ."""
    for java, python in (
        (r"\p{L}", r"\w"),
        (r"\p{Z}", r"\s"),
        (r"\p{N}", r"\d"),
        (r"\Z", ""),
        (r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF"),
    ):
        pattern = pattern.replace(java, python)
    return pattern
