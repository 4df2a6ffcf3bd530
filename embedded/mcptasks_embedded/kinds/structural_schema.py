"""Structural schemas of CustomResourceDefinitions: pruning, defaults, and the schemas of parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
_ALWAYS_KEPT = frozenset({"apiVersion", "kind", "metadata"})


def _properties(schema: Schema) -> Mapping[str, Any]:
    return schema.get("properties") or {}


def join_path(path: str, name: str) -> str:
    """The path of the field `name` of the object at `path`, as error messages write it."""
    return f"{path}.{name}" if path else name


def _is_object_root(schema: Schema, path: str) -> bool:
    return not path or bool(schema.get("x-kubernetes-embedded-resource"))


def prune(value: Any, schema: Schema, unknown: list[str], path: str = "") -> Any:
    """`value` without the fields that the schema does not know; their paths are added to `unknown`."""
    if isinstance(value, list):
        items = schema.get("items")
        if not isinstance(items, dict):
            return value
        return [prune(item, items, unknown, f"{path}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, dict):
        return _prune_map(value, schema, unknown, path)
    return value


def _prune_map(value: dict[str, Any], schema: Schema, unknown: list[str], path: str) -> dict[str, Any]:
    properties = _properties(schema)
    additional = schema.get("additionalProperties")
    keep_unknown = schema.get("x-kubernetes-preserve-unknown-fields")
    result: dict[str, Any] = {}
    for name, item in value.items():
        inner = join_path(path, name)
        if _is_object_root(schema, path) and name in _ALWAYS_KEPT:
            result[name] = item
        elif name in properties:
            result[name] = prune(item, properties[name], unknown, inner)
        elif isinstance(additional, dict):
            result[name] = prune(item, additional, unknown, inner)
        elif keep_unknown or additional is True:
            result[name] = item
        else:
            unknown.append(inner)
    return result


def with_defaults(value: Any, schema: Schema) -> Any:
    """`value` with the schema's defaults, and without nulls where the schema is not nullable."""
    if isinstance(value, list):
        items = schema.get("items")
        return [with_defaults(item, items) for item in value] if isinstance(items, dict) else value
    if not isinstance(value, dict):
        return value
    properties = _properties(schema)
    result = {name: item for name, item in value.items() if not _null_to_drop(item, properties.get(name))}
    for name, inner in properties.items():
        if name not in result and "default" in inner:
            result[name] = inner["default"]
        if name in result:
            result[name] = with_defaults(result[name], inner)
    return _default_additional(result, schema, properties)


def _null_to_drop(item: Any, schema: Schema | None) -> bool:
    return item is None and schema is not None and not schema.get("nullable")


def _default_additional(result: dict[str, Any], schema: Schema, properties: Mapping[str, Any]) -> dict[str, Any]:
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        for name in result.keys() - properties.keys():
            result[name] = with_defaults(result[name], additional)
    return result


def rules_of(schema: Schema) -> Iterator[str]:
    """The text of every validation rule, at any depth."""
    for rule in schema.get("x-kubernetes-validations") or ():
        yield rule["rule"]
    for inner in _children(schema):
        yield from rules_of(inner)


def _children(schema: Schema) -> Iterator[Schema]:
    yield from _properties(schema).values()
    for name in ("items", "additionalProperties", "not"):
        if isinstance(schema.get(name), dict):
            yield schema[name]
    for name in ("allOf", "anyOf", "oneOf"):
        yield from schema.get(name) or ()


def child_schema(schema: Schema, name: str, path: str) -> Schema | None:
    """The schema of the field `name` of an object at `path`.

    None where the schema says nothing of the field, and for the metadata of an object, which has rules of its own.
    """
    properties = _properties(schema)
    if name in properties:
        found = properties[name]
        return None if name == "metadata" and _is_object_root(schema, path) and not found.get("properties") else found
    additional = schema.get("additionalProperties")
    return additional if isinstance(additional, dict) else None
