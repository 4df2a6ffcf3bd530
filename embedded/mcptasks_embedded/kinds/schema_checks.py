"""What a structural schema says of one value: type, size, format, enumeration, uniqueness. Pure functions."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from mcptasks_embedded.kinds.structural_schema import Schema
from mcptasks_embedded.values import json_values, times
from mcptasks_embedded.values.errors import FieldError, invalid_value, show, unsupported


def json_type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def type_errors(value: Any, schema: Schema, path: str) -> list[FieldError]:
    wanted = schema.get("type")
    actual = json_type(value)
    if schema.get("x-kubernetes-int-or-string"):
        return [] if actual in ("integer", "string") else [_wrong_type(path, "integer,string", actual)]
    if wanted is None or wanted == actual or (wanted == "number" and actual == "integer"):
        return []
    return [_wrong_type(path, wanted, actual)]


def _wrong_type(path: str, wanted: str, actual: str) -> FieldError:
    detail = f'{path} in body must be of type {wanted}: "{actual}"'
    return FieldError("FieldValueTypeInvalid", path, detail, show(actual))


def scalar_errors(value: Any, schema: Schema, path: str) -> list[FieldError]:
    errors = list(_size_errors(value, schema, path))
    if isinstance(value, str):
        errors += _string_errors(value, schema, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        errors += _number_errors(value, schema, path)
    choices = schema.get("enum")
    if choices is not None and not any(json_values.equal_as_encoded(value, choice) for choice in choices):
        errors.append(unsupported(path, value, choices))
    return errors


def _size_errors(value: Any, schema: Schema, path: str) -> Iterator[FieldError]:
    if isinstance(value, list):
        unit, low, high = "items", schema.get("minItems"), schema.get("maxItems")
    elif isinstance(value, dict):
        unit, low, high = "properties", schema.get("minProperties"), schema.get("maxProperties")
    else:
        return
    size = len(value)
    if high is not None and size > high:
        yield FieldError("FieldValueTooMany", path, f"must have at most {high} items", str(size))
    if low is not None and size < low:
        yield invalid_value(path, value, f"{path} in body should have at least {low} {unit}")


def _string_errors(value: str, schema: Schema, path: str) -> Iterator[FieldError]:
    longest, shortest = schema.get("maxLength"), schema.get("minLength")
    if longest is not None and len(value) > longest:
        yield FieldError("FieldValueTooLong", path, f"may not be more than {longest} bytes")
    if shortest is not None and len(value) < shortest:
        yield invalid_value(path, value, f"{path} in body should be at least {shortest} chars long")
    pattern = schema.get("pattern")
    if pattern is not None and not _compiled(pattern).search(value):
        yield invalid_value(path, value, f"{path} in body should match '{pattern}'")
    wanted = str(schema.get("format"))
    if wanted in _FORMATS and not _FORMATS[wanted](value):
        yield invalid_value(path, value, f"{path} in body must be of type {wanted}: {show(value)}")


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    # In Go's RE2 `$` matches only at the very end of the text.
    return re.compile(re.sub(r"(?<!\\)\$$", r"\\Z", pattern))


def _number_errors(value: float, schema: Schema, path: str) -> Iterator[FieldError]:
    low, high, step = schema.get("minimum"), schema.get("maximum"), schema.get("multipleOf")
    if low is not None:
        strict = schema.get("exclusiveMinimum")
        if value < low or (strict and value == low):
            words = "greater than" if strict else "greater than or equal to"
            yield invalid_value(path, value, f"{path} in body should be {words} {low}")
    if high is not None:
        strict = schema.get("exclusiveMaximum")
        if value > high or (strict and value == high):
            words = "less than" if strict else "less than or equal to"
            yield invalid_value(path, value, f"{path} in body should be {words} {high}")
    if step and value % step:
        yield invalid_value(path, value, f"{path} in body should be a multiple of {step}")
    if schema.get("format") == "int32" and not -(2**31) <= value < 2**31:
        yield invalid_value(path, value, f"{path} in body must be of type int32: {show(show(value))}")


def uniqueness_errors(value: list[Any], schema: Schema, path: str) -> list[FieldError]:
    kind = schema.get("x-kubernetes-list-type")
    keys: Sequence[str] = schema.get("x-kubernetes-list-map-keys") or ()
    if kind not in ("map", "set") and not schema.get("uniqueItems"):
        return []
    errors, seen = [], set()
    for index, item in enumerate(value):
        identity: Any = item
        if kind == "map" and isinstance(item, dict):
            identity = {key: item.get(key) for key in keys}
        text = show(identity)
        if text in seen:
            errors.append(FieldError("FieldValueDuplicate", f"{path}[{index}]", "", text))
        seen.add(text)
    return errors


def _succeeds(check: Callable[[str], object]) -> Callable[[str], bool]:
    def accepts(text: str) -> bool:
        try:
            check(text)
        except ValueError:
            return False
        return True

    return accepts


_FORMATS: Mapping[str, Callable[[str], bool]] = {
    "date-time": _succeeds(times.parse),
    "uuid": _succeeds(UUID),
    "ipv4": _succeeds(ipaddress.IPv4Address),
    "ipv6": _succeeds(ipaddress.IPv6Address),
    "uri": lambda text: bool(urlsplit(text).scheme),
}
