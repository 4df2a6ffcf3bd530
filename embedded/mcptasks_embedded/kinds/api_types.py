"""The fields of the built-in kinds, from the API's own definitions (`kubernetes_types.json`).

Used to drop and report unknown fields, to refuse values of a wrong type, to read protocol buffers and to describe the
kinds in OpenAPI. Each message maps its fields to a number and a type: a scalar or message name, behind `list`, `map`
or `inline` (fields of an embedded struct, which JSON does not nest).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcptasks_embedded.values.errors import bad_request
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.quantity import parse_quantity

_PACKAGES = {
    "": "core.v1",
    "batch": "batch.v1",
    "coordination.k8s.io": "coordination.v1",
    "events.k8s.io": "events.v1",
    "rbac.authorization.k8s.io": "rbac.v1",
    "authentication.k8s.io": "authentication.v1",
    "authorization.k8s.io": "authorization.v1",
    "policy": "policy.v1",
    "meta.k8s.io": "meta.v1",
}
_GO = {"string": "string", "bytes": "[]uint8", "bool": "bool", "int32": "int32", "int64": "int64", "double": "float64"}
#: Messages that are not objects in JSON.
TIMES = frozenset({"meta.v1.Time", "meta.v1.MicroTime"})
ANYTHING = frozenset({"meta.v1.FieldsV1", "runtime.RawExtension"})
STRINGS = frozenset({"authentication.v1.ExtraValue", "authorization.v1.ExtraValue"})
_QUANTITY_FORM = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
QUANTITY, INT_OR_STRING = "resource.Quantity", "intstr.IntOrString"


@dataclass(frozen=True, slots=True)
class FieldType:
    """One field; `shape` is one, list, map or inline."""

    number: int
    shape: str
    type: str


class ApiTypes:
    """The messages of the built-in kinds."""

    def __init__(self) -> None:
        raw = json.loads(Path(__file__).with_name("kubernetes_types.json").read_text())
        self._messages = {name: {key: _field(*value) for key, value in fields.items()} for name, fields in raw.items()}
        self._flat: dict[str, dict[str, FieldType]] = {}

    def message(self, group: str, kind: str) -> str | None:
        """The message of a kind; None for kinds without a description."""
        name = f"{_PACKAGES.get(group, '')}.{kind}"
        return name if name in self._messages else None

    def wire_fields(self, message: str) -> Mapping[str, FieldType]:
        return self._messages[message]

    def is_message(self, name: str) -> bool:
        return name in self._messages

    def fields(self, message: str) -> Mapping[str, FieldType]:
        """The fields as JSON has them, those of embedded structs included."""
        found = self._flat.get(message)
        if found is None:
            found = {}
            for name, field in self._messages[message].items():
                if field.shape == "inline":
                    found |= self.fields(field.type)
                else:
                    found[name] = field
            self._flat[message] = found
        return found

    # --- cleaning ---

    def clean(self, obj: Json, message: str, unknown: list[str]) -> Json:
        """`obj` as Go would keep it: unknown fields go (their paths are added to `unknown`), nulls too.

        `metadata` is left to others. Raises ApiError 400 for a wrong type.
        """
        fields = self.fields(message)
        result: Json = {}
        for name, value in obj.items():
            if name in ("apiVersion", "kind", "metadata"):
                result[name] = value
            elif name not in fields:
                unknown.append(name)
            elif value is not None:
                result[name] = self._value(value, fields[name], name, unknown)
        return result

    def _value(self, value: Any, field: FieldType, path: str, unknown: list[str]) -> Any:
        if field.shape == "list":
            _expect(isinstance(value, list), value, path, f"[]{_go_name(field.type)}")
            items = enumerate(value)
            return [self._one(item, field.type, f"{path}[{index}]", unknown) for index, item in items]
        if field.shape == "map":
            _expect(isinstance(value, dict), value, path, f"map[string]{_go_name(field.type)}")
            return {key: self._one(item, field.type, f"{path}.{key}", unknown) for key, item in value.items()}
        return self._one(value, field.type, path, unknown)

    def _one(self, value: Any, kind: str, path: str, unknown: list[str]) -> Any:
        if kind in _GO:
            _expect(_fits(value, kind), value, path, _GO[kind])
            return value
        if kind == QUANTITY:
            _expect(
                isinstance(value, str | int | float) and not isinstance(value, bool), value, path, "resource.Quantity"
            )
            return _quantity(str(value))
        if kind in TIMES or kind in ANYTHING or kind in STRINGS or kind == INT_OR_STRING or kind not in self._messages:
            return value
        if value is None:
            return value
        _expect(isinstance(value, dict), value, path, _go_name(kind))
        return self._object(value, kind, path, unknown)

    def _object(self, value: Json, kind: str, path: str, unknown: list[str]) -> Json:
        fields = self.fields(kind)
        result: Json = {}
        for name, item in value.items():
            if name not in fields:
                unknown.append(f"{path}.{name}")
            elif item is not None or fields[name].type in TIMES:
                result[name] = None if item is None else self._value(item, fields[name], f"{path}.{name}", unknown)
        return result

    # --- OpenAPI ---

    def schema(self, message: str, reference: str) -> Json:
        """An OpenAPI schema that refers to other messages as `reference` + name."""
        properties = {name: self._field_schema(field, reference) for name, field in self.fields(message).items()}
        return {"type": "object", "properties": properties}

    def _field_schema(self, field: FieldType, reference: str) -> Json:
        one = self._type_schema(field.type, reference)
        if field.shape == "list":
            return {"type": "array", "items": one}
        return {"type": "object", "additionalProperties": one} if field.shape == "map" else one

    def _type_schema(self, kind: str, reference: str) -> Json:
        if kind in TIMES:
            return {"type": "string", "format": "date-time"}
        if kind in STRINGS:
            return {"type": "array", "items": {"type": "string"}}
        if kind in _SCALAR_SCHEMAS:
            return _SCALAR_SCHEMAS[kind]
        return {"allOf": [{"$ref": reference + kind}]} if self.is_message(kind) else {"type": "object"}

    def reachable(self, message: str) -> set[str]:
        """`message` and all messages that its schema refers to."""
        found: set[str] = set()
        todo = [message]
        while todo:
            name = todo.pop()
            if (
                name not in found
                and self.is_message(name)
                and name not in _SCALAR_SCHEMAS
                and name not in TIMES | STRINGS
            ):
                found.add(name)
                todo += [field.type for field in self.fields(name).values()]
        return found


_SCALAR_SCHEMAS: Mapping[str, Json] = {
    "string": {"type": "string"},
    "bytes": {"type": "string", "format": "byte"},
    "bool": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "double": {"type": "number", "format": "double"},
    QUANTITY: {"type": "string"},
    INT_OR_STRING: {"type": "string", "format": "int-or-string"},
    **{name: {"type": "object"} for name in ANYTHING},
}


def _field(number: int, text: str) -> FieldType:
    shape, _, kind = text.rpartition(" ")
    return FieldType(number, shape or "one", kind)


def _go_name(kind: str) -> str:
    return _GO.get(kind) or kind.rpartition(".")[0].rpartition(".")[2] + "." + kind.rpartition(".")[2]


def _fits(value: Any, kind: str) -> bool:
    if kind in ("string", "bytes"):
        return isinstance(value, str)
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "double":
        return isinstance(value, int | float) and not isinstance(value, bool)
    limit = 2**31 if kind == "int32" else 2**63
    return isinstance(value, int) and not isinstance(value, bool) and -limit <= value < limit


def _expect(fits: bool, value: Any, path: str, wanted: str) -> None:
    if not fits:
        raise bad_request(f"json: cannot unmarshal {_json_name(value)} into Go struct field .{path} of type {wanted}")


def _quantity(text: str) -> str:
    try:
        parse_quantity(text)
    except ValueError:
        raise bad_request(f"quantities must match the regular expression '{_QUANTITY_FORM}'") from None
    return text


def _json_name(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number" if isinstance(value, int) and abs(value) < 2**31 else f"number {value}"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"
