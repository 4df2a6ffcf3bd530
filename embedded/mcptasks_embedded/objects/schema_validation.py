"""Structural schemas of CustomResourceDefinitions: pruning, defaulting, validation, validation rules.

CEL is not interpreted. Each `x-kubernetes-validations` rule has a Python equivalent in a mapping keyed by the rule's
exact text; a CRD with a rule that has none is refused, never served unchecked.
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from mcptasks_embedded.values import json_values, times
from mcptasks_embedded.values.errors import FieldError, invalid_value, required, show, unsupported

Schema = Mapping[str, Any]
Rule = Callable[[Any, Any], bool]
Rules = Mapping[str, Rule]

_ALWAYS_KEPT = frozenset({"apiVersion", "kind", "metadata"})
_UNSET = object()
_BLOCKING = frozenset({"FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid"})
_UNCHECKED = (
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)


def _properties(schema: Schema) -> Mapping[str, Any]:
    return schema.get("properties") or {}


def _join(path: str, name: str) -> str:
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
        inner = _join(path, name)
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


def default(value: Any, schema: Schema) -> Any:
    """`value` with the schema's defaults, and without nulls where the schema is not nullable."""
    if isinstance(value, list):
        items = schema.get("items")
        return [default(item, items) for item in value] if isinstance(items, dict) else value
    if not isinstance(value, dict):
        return value
    properties = _properties(schema)
    result = {name: item for name, item in value.items() if not _null_to_drop(item, properties.get(name))}
    for name, inner in properties.items():
        if name not in result and "default" in inner:
            result[name] = inner["default"]
        if name in result:
            result[name] = default(result[name], inner)
    return _default_additional(result, schema, properties)


def _null_to_drop(item: Any, schema: Schema | None) -> bool:
    return item is None and schema is not None and not schema.get("nullable")


def _default_additional(result: dict[str, Any], schema: Schema, properties: Mapping[str, Any]) -> dict[str, Any]:
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        for name in result.keys() - properties.keys():
            result[name] = default(result[name], additional)
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


@dataclass(slots=True)
class Validation:
    """Validates one write. `errors` holds what was found, in the order of the schema."""

    rules: Rules
    errors: list[FieldError] = field(default_factory=list)

    def run(self, new: Any, old: Any, schema: Schema) -> list[FieldError]:
        """All errors of `new`; `old` is None on create. What `old` already had is not judged again (ratcheting)."""
        old = _UNSET if old is None else old
        self._value(new, old, schema, "")
        if any(error.reason in _BLOCKING for error in self.errors):
            if next(rules_of(schema), None) is not None:
                self.errors.append(FieldError("FieldValueInvalid", "<nil>", _UNCHECKED, "null"))
            return self.errors
        self._rules(new, old, schema, "")
        return self.errors

    def _value(self, new: Any, old: Any, schema: Schema, path: str) -> None:
        if old is not _UNSET and json_values.equal(new, old):
            return
        if new is None and schema.get("nullable"):
            return
        found = len(self.errors)
        self.errors += type_errors(new, schema, path)
        if len(self.errors) > found:
            return
        self.errors += scalar_errors(new, schema, path)
        self._combined(new, schema, path)
        if isinstance(new, dict):
            self._map(new, old, schema, path)
        elif isinstance(new, list):
            self._list(new, old, schema, path)

    def _combined(self, new: Any, schema: Schema, path: str) -> None:
        for inner in schema.get("allOf") or ():
            self._value(new, _UNSET, inner, path)
        if (any_of := schema.get("anyOf")) and not any(self._accepts(new, inner) for inner in any_of):
            self.errors.append(invalid_value(path, new, f"{path} in body must validate at least one schema (anyOf)"))
        if (one_of := schema.get("oneOf")) and sum(self._accepts(new, inner) for inner in one_of) != 1:
            self.errors.append(
                invalid_value(path, new, f"{path} in body must validate one and only one schema (oneOf)")
            )
        if (negated := schema.get("not")) and self._accepts(new, negated):
            self.errors.append(invalid_value(path, new, f"{path} in body must not validate the schema (not)"))

    def _accepts(self, value: Any, schema: Schema) -> bool:
        trial = Validation({})
        trial._value(value, _UNSET, schema, "")
        return not trial.errors

    def _map(self, new: dict[str, Any], old: Any, schema: Schema, path: str) -> None:
        for name in schema.get("required") or ():
            if name not in new:
                self.errors.append(required(_join(path, name)))
        for name, item in new.items():
            inner = _child_schema(schema, name, path)
            if inner is not None:
                self._value(item, _old_child(old, name), inner, _join(path, name))

    def _list(self, new: list[Any], old: Any, schema: Schema, path: str) -> None:
        self.errors += uniqueness_errors(new, schema, path)
        items = schema.get("items")
        if isinstance(items, dict):
            for index, item in enumerate(new):
                self._value(item, _old_item(old, item, schema), items, f"{path}[{index}]")

    def _rules(self, new: Any, old: Any, schema: Schema, path: str) -> None:
        for rule in schema.get("x-kubernetes-validations") or ():
            self._rule(rule, new, old, path)
        if isinstance(new, dict):
            for name, item in new.items():
                inner = _child_schema(schema, name, path)
                if inner is not None:
                    self._rules(item, _old_child(old, name), inner, _join(path, name))
        elif isinstance(new, list) and isinstance(schema.get("items"), dict):
            for index, item in enumerate(new):
                self._rules(item, _old_item(old, item, schema), schema["items"], f"{path}[{index}]")

    def _rule(self, rule: Schema, new: Any, old: Any, path: str) -> None:
        if new is None:
            return
        text = rule["rule"]
        is_transition = "oldSelf" in text
        if is_transition and old is _UNSET and not rule.get("optionalOldSelf"):
            return
        if not is_transition and old is not _UNSET and json_values.equal(new, old):
            return
        if not self.rules[text](new, None if old is _UNSET else old):
            self.errors.append(_rule_error(rule, new, path))


def _rule_error(rule: Schema, new: Any, path: str) -> FieldError:
    where = path + rule.get("fieldPath", "") if path else rule.get("fieldPath", "").lstrip(".") or "<nil>"
    detail = rule.get("message") or f"failed rule: {rule['rule']}"
    reason = rule.get("reason", "FieldValueInvalid")
    if reason in ("FieldValueRequired", "FieldValueForbidden"):
        return FieldError(reason, where, detail)
    shown = None if isinstance(new, dict | list) else show(new)
    return FieldError(reason, where, detail, shown)


def _child_schema(schema: Schema, name: str, path: str) -> Schema | None:
    properties = _properties(schema)
    if name in properties:
        found = properties[name]
        return None if name == "metadata" and _is_object_root(schema, path) and not found.get("properties") else found
    additional = schema.get("additionalProperties")
    return additional if isinstance(additional, dict) else None


def _old_child(old: Any, name: str) -> Any:
    return old.get(name, _UNSET) if isinstance(old, dict) else _UNSET


def _old_item(old: Any, item: Any, schema: Schema) -> Any:
    """The earlier state of a list's item: only lists of type map can be correlated."""
    keys: Sequence[str] = schema.get("x-kubernetes-list-map-keys") or ()
    if not isinstance(old, list) or not keys or not isinstance(item, dict):
        return _UNSET
    for candidate in old:
        if all(candidate.get(key) == item.get(key) for key in keys):
            return candidate
    return _UNSET


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
    if choices is not None and not any(json_values.equal(value, choice) for choice in choices):
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
