"""Pure: an object against an OpenAPI schema, strictly."""

from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
Definition = dict[str, Any]


def problems(schema: dict[str, Definition], shape: Definition, value: Any, where: str) -> list[str]:
    """Return unknown fields, missing ones and wrong types; `schema` is what references name."""
    if "$ref" in shape:
        return problems(schema, schema[shape["$ref"].rpartition("/")[2]], value, where)
    kind = shape.get("type")
    if shape.get("x-kubernetes-int-or-string") or shape.get("format") == "int-or-string":
        return [] if isinstance(value, str | int) else [f"{where} is {value!r}"]
    if kind is not None and not isinstance(value, TYPES[kind]):
        return [f"{where} is {value!r}, not a {kind}"]
    if "enum" in shape and value not in shape["enum"]:
        return [f"{where} is {value!r}, not of {shape['enum']}"]
    found = [
        f"{where} lacks {each}"
        for each in shape.get("required", [])
        if each not in value and "default" not in shape.get("properties", {}).get(each, {})
    ]
    if "properties" in shape:
        for key, each in value.items():
            if key not in shape["properties"]:
                found.append(f"{where} has no {key}")
            else:
                found += problems(schema, shape["properties"][key], each, f"{where}.{key}")
    elif kind == "array":
        for number, each in enumerate(value):
            found += problems(schema, shape["items"], each, f"{where}[{number}]")
    elif isinstance(shape.get("additionalProperties"), dict):
        for key, each in value.items():
            found += problems(schema, shape["additionalProperties"], each, f"{where}.{key}")
    return found


def pruned(value: Any) -> Any:
    """Return a value as an API server reads it: a null that a kind does not ask for is no value."""
    if isinstance(value, dict):
        return {key: pruned(each) for key, each in value.items() if each is not None}
    return [pruned(each) for each in value] if isinstance(value, list) else value


def whole(value: Any) -> Any:
    """Return a value whose whole numbers are such; the engine's wire knows only one kind."""
    if isinstance(value, dict):
        return {key: whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
