"""A tool's arguments from the command line: `k=v` pairs read by the tool's input schema, and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mcptasks.model.base import JsonObject

_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_ANY = frozenset({*_PYTHON_TYPES, "string"})


class ArgumentError(ValueError):
    """Arguments that cannot be read; the message says which, and what would do."""


def parse_arguments(pairs: Sequence[str], text: str | None, schema: JsonObject) -> JsonObject:
    """The arguments of a call: those of the JSON text, with the `k=v` pairs on top.

    A value is read as JSON where that gives a type that the schema wants, and is a string otherwise. A key that is
    given several times makes a list.

    Raises:
        ArgumentError: a pair has no `=`, the tool has no such argument, or the value is of no type that it takes.
    """
    arguments = _from_json(text)
    for key, values in _grouped(pairs).items():
        arguments[key] = _value(key, values, schema)
    return arguments


def _from_json(text: str | None) -> JsonObject:
    if text is None:
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ArgumentError(f"--json is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ArgumentError("--json must be an object, for example '{\"top\": 5}'")
    return value


def _grouped(pairs: Sequence[str]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ArgumentError(f"--arg {pair!r} is not of the form key=value")
        grouped.setdefault(key, []).append(value)
    return grouped


def _value(key: str, values: list[str], schema: JsonObject) -> Any:
    property_schema = _property(key, schema)
    wanted = _types(property_schema, schema)
    if len(values) == 1 and (single := _read(values[0], wanted)) is not _UNREADABLE:
        return single
    if "array" in wanted:
        items = [_read(value, _types(_items(property_schema, schema), schema)) for value in values]
        if _UNREADABLE not in items:
            return items
    elif len(values) > 1:
        raise ArgumentError(f"--arg {key} is given {len(values)} times, but takes one value")
    raise ArgumentError(f"--arg {key}={values[0]}: the tool wants {_spoken(wanted)}")


_UNREADABLE = object()


def _read(text: str, wanted: frozenset[str]) -> Any:
    if wanted == {"string"}:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = _UNREADABLE
    if value is not _UNREADABLE and any(_is(value, name) for name in wanted):
        return value
    return text if "string" in wanted else _UNREADABLE


def _is(value: object, type_name: str) -> bool:
    if isinstance(value, bool):
        return type_name == "boolean"
    return isinstance(value, _PYTHON_TYPES.get(type_name, (str,)))


def _property(key: str, schema: JsonObject) -> JsonObject:
    properties = schema.get("properties") or {}
    if key in properties:
        found = properties[key]
        return found if isinstance(found, dict) else {}
    if properties and not schema.get("additionalProperties"):
        raise ArgumentError(f"the tool has no argument {key!r}; it has: {', '.join(properties)}")
    if not properties and schema.get("type") == "object" and not schema.get("additionalProperties", True):
        raise ArgumentError(f"the tool has no argument {key!r}; it takes none")
    return {}


def _resolved(schema: JsonObject, root: JsonObject) -> JsonObject:
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return schema
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found.get(part, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, dict) else {}


def _options(schema: JsonObject, root: JsonObject) -> Iterable[JsonObject]:
    schema = _resolved(schema, root)
    choices = [*(schema.get("anyOf") or ()), *(schema.get("oneOf") or ())]
    if not choices:
        yield schema
    for choice in choices:
        yield from _options(choice, root)


def _types(schema: JsonObject, root: JsonObject) -> frozenset[str]:
    """Names of the JSON types that the schema takes; all where it does not say."""
    types: set[str] = set()
    for option in _options(schema, root):
        named = option.get("type")
        if isinstance(named, str):
            types.add(named)
        elif isinstance(named, list):
            types.update(named)
        elif "enum" in option or "const" in option:
            types.update(_type_of(value) for value in [*option.get("enum", ()), option.get("const", "")])
        else:
            return _ANY
    return frozenset(types)


def _type_of(value: object) -> str:
    return next((name for name in _PYTHON_TYPES if _is(value, name)), "string")


def _items(schema: JsonObject, root: JsonObject) -> JsonObject:
    for option in _options(schema, root):
        items = option.get("items")
        if isinstance(items, dict):
            return items
    return {}


def _spoken(wanted: frozenset[str]) -> str:
    names = sorted(wanted - {"null"}) or ["null"]
    article = "an" if names[0][0] in "aeiou" else "a"
    return f"{article} {' or '.join(names)}"
