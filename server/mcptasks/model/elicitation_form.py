"""Whether what a user has filled in fits the form that was asked: the JSON Schema that MCP allows for elicitations.

MCP allows objects of strings, numbers, booleans and lists of choices. Keywords beyond that are not checked: what a tool
demands in addition, it has to say itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import AnyUrl, Field, PydanticUserError, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import SchemaError

_EMAIL = re.compile(r"[^@\s]@[^@\s]")
"""What every text with an address has. Without repetitions, so that no text makes it slow."""

_FORMATS: Mapping[str, TypeAdapter[Any]] = {
    "date": TypeAdapter(date),
    "date-time": TypeAdapter(datetime),
    "uri": TypeAdapter(AnyUrl),
}
"""Read as a tool's own model reads them."""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_integer(value: object) -> bool:
    return _is_number(value) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))


_TYPES: Mapping[str, Callable[[object], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "number": _is_number,
    "integer": _is_integer,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}

_NAMES: Mapping[str, str] = {
    "string": "a text",
    "boolean": "true or false",
    "number": "a number",
    "integer": "an integer",
    "array": "a list",
}

_LIMITS: Mapping[str, tuple[Callable[[Any, Any], bool], str]] = {
    "minimum": (lambda value, limit: value >= limit, "must be at least {}"),
    "maximum": (lambda value, limit: value <= limit, "must be at most {}"),
    "exclusiveMinimum": (lambda value, limit: value > limit, "must be more than {}"),
    "exclusiveMaximum": (lambda value, limit: value < limit, "must be less than {}"),
    "minLength": (lambda value, limit: len(value) >= limit, "must have at least {} characters"),
    "maxLength": (lambda value, limit: len(value) <= limit, "must have at most {} characters"),
    "minItems": (lambda value, limit: len(value) >= limit, "must have at least {} entries"),
    "maxItems": (lambda value, limit: len(value) <= limit, "must have at most {} entries"),
}

_LIMITED: Mapping[str, type | tuple[type, ...]] = {"Length": str, "Items": list, "imum": (int, float)}
"""What limits are of, by the ends of their names."""


def misfit(schema: Mapping[str, Any], content: Mapping[str, object]) -> str | None:
    """What is wrong with the content, for people; None where it fits the schema."""
    return next(_misfits(schema, content), None)


def _misfits(schema: Mapping[str, Any], content: Mapping[str, object]) -> Iterator[str]:
    properties = _mapping(schema.get("properties"))
    required = [name for name in _sequence(schema.get("required")) if isinstance(name, str)]
    for name in required:
        if name not in content:
            yield f"{name}: is required"
    for name, value in content.items():
        if name in properties:
            wanted = _mapping(properties[name])
            if not _left_out(value, wanted, required=name in required):
                yield from (f"{name}: {why}" for why in _value_misfits(wanted, value))
        elif schema.get("additionalProperties") is False:
            yield f"{name}: was not asked for"


def without_left_out(schema: Mapping[str, Any], content: Mapping[str, object]) -> dict[str, object]:
    """The content without the nulls that stand for nothing: a tool's model need not know them."""
    properties = _mapping(schema.get("properties"))
    required = _sequence(schema.get("required"))
    return {
        name: value
        for name, value in content.items()
        if name not in properties or not _left_out(value, _mapping(properties[name]), required=name in required)
    }


def _left_out(value: object, schema: Mapping[str, Any], *, required: bool) -> bool:
    """Whether null stands for nothing: MCP's schemas have no null, so an optional field only is not required."""
    return value is None and not required and "default" not in schema


def _value_misfits(schema: Mapping[str, Any], value: object) -> Iterator[str]:
    kind = schema.get("type")
    if isinstance(kind, str) and kind in _TYPES and not _TYPES[kind](value):
        yield f"must be {_NAMES.get(kind, kind)}"
        return
    choices = _choices(schema)
    if choices is not None and not any(_same(value, choice) for choice in choices):
        yield f"must be one of {', '.join(map(repr, choices))}"
    for keyword, (holds, text) in _LIMITS.items():
        limit = schema.get(keyword)
        if _is_number(limit) and _is_limited(keyword, value) and not holds(value, limit):
            yield text.format(limit)
    step: Any = schema.get("multipleOf")
    if _is_number(step) and step > 0 and _is_number(value) and not _is_multiple(value, step):
        yield f"must be a multiple of {step}"
    if isinstance(value, str):
        yield from _text_misfits(schema, value)
    if isinstance(value, list) and isinstance(items := schema.get("items"), dict):
        for index, each in enumerate(value):
            yield from (f"entry {index + 1} {why}" for why in _value_misfits(items, each))


def _is_multiple(value: Any, step: Any) -> bool:
    """As pydantic, which checks it again in the tool, sees it."""
    number: Any = int if isinstance(step, int) and isinstance(value, int) else float
    return _is_valid(TypeAdapter(Annotated[number, Field(multiple_of=step)]), value)


def _text_misfits(schema: Mapping[str, Any], value: str) -> Iterator[str]:
    form = schema.get("format")
    if isinstance(form, str) and not _has_format(form, value):
        yield f"must have the format {form}"
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and not _matches(pattern, value):
        yield f"must match {pattern}"


def _has_format(form: str, value: str) -> bool:
    if form == "email":
        # A model of pydantic's may take a name as well: "Ann <ann@example.org>".
        return _EMAIL.search(value) is not None
    return form not in _FORMATS or _is_valid(_FORMATS[form], value)


def _matches(pattern: str, value: str) -> bool:
    """With pydantic's expressions, which no text can make slow; one that they do not know is not checked."""
    try:
        adapter: TypeAdapter[str] = TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])
    except (SchemaError, PydanticUserError):
        return True
    return _is_valid(adapter, value)


def _is_valid(adapter: TypeAdapter[Any], value: str) -> bool:
    try:
        adapter.validate_python(value)
    except ValidationError:
        return False
    return True


def _choices(schema: Mapping[str, Any]) -> list[object] | None:
    """The values of an enumeration, with or without titles; None where the schema is none."""
    if isinstance(values := schema.get("enum"), list):
        return values
    if "const" in schema:
        return [schema["const"]]
    for keyword in ("oneOf", "anyOf"):
        options = schema.get(keyword)
        if isinstance(options, list) and all(isinstance(each, dict) and "const" in each for each in options):
            return [each["const"] for each in options]
    return None


def _same(value: object, choice: object) -> bool:
    """Equal in JSON, where true is not 1."""
    return value == choice and isinstance(value, bool) == isinstance(choice, bool)


def _is_limited(keyword: str, value: object) -> bool:
    kind = next(kind for end, kind in _LIMITED.items() if keyword.endswith(end))
    return isinstance(value, kind) and not isinstance(value, bool)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
