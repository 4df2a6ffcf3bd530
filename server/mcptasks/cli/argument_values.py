"""A tool's arguments from the command line: `k=v` pairs read by the tool's input schema, and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mcptasks.cli.key_values import grouped
from mcptasks.cli.schema_types import UNREADABLE, items_of, read_value, type_text, types_of
from mcptasks.model.base import JsonObject


class ArgumentError(ValueError):
    """Arguments that cannot be read; the message says which, and what would do."""


def parse_arguments(pairs: Sequence[str], text: str | None, schema: JsonObject) -> JsonObject:
    """The arguments of a call: those of the JSON text, with the `k=v` pairs on top.

    A value is read as JSON where that gives a type that the schema wants, and is a string otherwise. A key that is
    given several times makes a list.

    Raises:
        ArgumentError: a pair has no `=`, the tool has no such argument, the value fits none of its types, or one that
            the tool needs is missing.
    """
    arguments = _from_json(text)
    for key, values in grouped("--arg", pairs, ArgumentError).items():
        arguments[key] = _value(key, values, schema)
    _check_complete(arguments, schema)
    return arguments


def _check_complete(arguments: JsonObject, schema: JsonObject) -> None:
    """Nothing that the schema requires is missing. What has names of its own, aliases for example, is not judged."""
    properties = schema.get("properties") or {}
    missing = [key for key in schema.get("required") or () if key not in arguments]
    if missing and all(key in properties for key in arguments):
        needed = ", ".join(
            f"--arg {key}=... ({type_text(types_of(properties.get(key) or {}, schema))})" for key in missing
        )
        raise ArgumentError(f"the tool needs {needed}")


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


def _value(key: str, values: list[str], schema: JsonObject) -> Any:
    property_schema = _property(key, schema)
    wanted = types_of(property_schema, schema)
    if len(values) == 1 and (single := read_value(values[0], wanted)) is not UNREADABLE:
        return single
    if "array" in wanted:
        items = [read_value(value, types_of(items_of(property_schema, schema), schema)) for value in values]
        if UNREADABLE not in items:
            return items
    elif len(values) > 1:
        raise ArgumentError(f"--arg {key} is given {len(values)} times, but takes one value")
    raise ArgumentError(f"--arg {key}={values[0]}: the tool wants {type_text(wanted)}")


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
