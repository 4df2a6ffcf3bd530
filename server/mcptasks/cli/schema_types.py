"""What a JSON schema says of a value: its types and choices, and how a text from the command line is read by it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
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

UNREADABLE = object()
"""Stands for the value of a text that gives none of a wanted type."""


def read_value(text: str, wanted: frozenset[str]) -> Any:
    """The text as JSON where that gives a wanted type, otherwise as a string where that is wanted, or UNREADABLE."""
    if wanted == {"string"}:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = UNREADABLE
    if value is not UNREADABLE and any(_is(value, name) for name in wanted):
        return value
    return text if "string" in wanted else UNREADABLE


def _is(value: object, type_name: str) -> bool:
    if isinstance(value, bool):
        return type_name == "boolean"
    return isinstance(value, _PYTHON_TYPES.get(type_name, (str,)))


def _resolved(schema: JsonObject, root: JsonObject) -> JsonObject:
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return schema
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found.get(part, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, dict) else {}


def alternatives(schema: JsonObject, root: JsonObject) -> Iterable[JsonObject]:
    """The schemas of which a value must fit one; references are looked up in the root."""
    schema = _resolved(schema, root)
    choices = [*(schema.get("anyOf") or ()), *(schema.get("oneOf") or ())]
    if not choices:
        yield schema
    for choice in choices:
        yield from alternatives(choice, root)


def types_of(schema: JsonObject, root: JsonObject) -> frozenset[str]:
    """Names of the JSON types that the schema takes; all where it does not say."""
    types: set[str] = set()
    for option in alternatives(schema, root):
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


def items_of(schema: JsonObject, root: JsonObject) -> JsonObject:
    """The schema of a list's entries; empty where it does not say."""
    for option in alternatives(schema, root):
        items = option.get("items")
        if isinstance(items, dict):
            return items
    return {}


def choices_of(schema: JsonObject, root: JsonObject) -> list[Any]:
    """The values of an enumeration; empty where the schema is none."""
    choices: list[Any] = []
    for option in alternatives(schema, root):
        if "enum" in option:
            choices += option["enum"]
        elif "const" in option:
            choices.append(option["const"])
    return choices


def type_text(wanted: frozenset[str]) -> str:
    """The types as part of a sentence: `an integer or string`."""
    names = sorted(wanted - {"null"}) or ["null"]
    article = "an" if names[0][0] in "aeiou" else "a"
    return f"{article} {' or '.join(names)}"


def short_type(schema: JsonObject, root: JsonObject) -> str:
    """The type as a signature has it: `integer`, `array of string`, `"red"|"green"`; empty where all will do."""
    choices = choices_of(schema, root)
    if choices:
        return "|".join(json.dumps(choice, ensure_ascii=False) for choice in choices)
    types = types_of(schema, root)
    if types == _ANY:
        return ""
    names = sorted(types - {"null"}) or ["null"]
    items = short_type(items_of(schema, root), root) if "array" in types else ""
    return "|".join(f"array of {items}" if name == "array" and items else name for name in names)
