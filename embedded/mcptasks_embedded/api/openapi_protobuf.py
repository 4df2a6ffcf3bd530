"""OpenAPI v2 documents in the protocol buffer encoding, which kubectl asks for before it validates a `kind: List`.

The messages are those of `openapiv2/OpenAPIv2.proto` in https://github.com/google/gnostic-models, as far as the
documents served here use them.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mcptasks_embedded.values.json_object import Json

Encode = Callable[[int, Any], bytes]

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
#: The older spelling, which client-go still sends.
_DEPRECATED_MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"


def accepted(accept: str) -> bool:
    """Whether an Accept header asks for this encoding before JSON."""
    for clause in accept.split(","):
        media = clause.partition(";")[0].strip()
        if media in (MEDIA_TYPE, _DEPRECATED_MEDIA_TYPE):
            return True
        if media in ("application/json", "*/*"):
            return False
    return False


def encode(document: Json) -> bytes:
    """The Document message of an OpenAPI v2 document."""
    return _fields(document, _DOCUMENT)


@dataclass(frozen=True, slots=True)
class _Field:
    number: int
    encode: Encode


def _varint(value: int) -> bytes:
    result = bytearray()
    while value >= 0x80:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    result.append(value)
    return bytes(result)


def _block(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _text(number: int, value: str) -> bytes:
    return _block(number, value.encode())


def _integer(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(int(value))


def _double(number: int, value: float) -> bytes:
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _any(number: int, value: Any) -> bytes:
    """An `Any` message, which holds YAML; JSON is YAML."""
    return _block(number, _text(2, json.dumps(value, ensure_ascii=False)))


def _each(number: int, values: Iterable[Any], one: Encode) -> bytes:
    return b"".join(one(number, value) for value in values)


def _named(number: int, values: Mapping[str, Any], one: Encode) -> bytes:
    """A `Named...` message for each entry: its name and its value."""
    return b"".join(_block(number, _text(1, name) + one(2, value)) for name, value in values.items())


def _fields(value: Json, fields: Mapping[str, _Field]) -> bytes:
    return b"".join(field.encode(field.number, value[name]) for name, field in fields.items() if name in value)


def _extensions(number: int, value: Json) -> bytes:
    return _named(number, {name: item for name, item in value.items() if name.startswith("x-")}, _any)


def _info(number: int, value: Json) -> bytes:
    return _block(number, _fields(value, _INFO))


# --- schemas ---


def _schema(number: int, value: Json) -> bytes:
    return _block(number, _fields(value, _SCHEMA) + _extensions(31, value))


def _schemas(number: int, values: Mapping[str, Json]) -> bytes:
    """`Definitions` and `Properties`."""
    return _block(number, _named(1, values, _schema))


def _type(number: int, value: str) -> bytes:
    return _block(number, _text(1, value))


def _items(number: int, value: Json) -> bytes:
    return _block(number, _schema(1, value))


def _additional(number: int, value: Json | bool) -> bytes:
    return _block(number, _integer(2, value) if isinstance(value, bool) else _schema(1, value))


# --- paths ---


def _paths(number: int, values: Mapping[str, Json]) -> bytes:
    return _block(number, _named(2, values, _path))


def _path(number: int, value: Json) -> bytes:
    return _block(number, _fields(value, _PATH_ITEM))


def _operation(number: int, value: Json) -> bytes:
    return _block(number, _fields(value, _OPERATION) + _extensions(13, value))


def _parameter(number: int, value: Json) -> bytes:
    """A query parameter, in its three envelopes."""
    query = _block(3, _fields(value, _QUERY_PARAMETER))
    return _block(number, _block(1, _block(2, query)))


def _responses(number: int, values: Mapping[str, Json]) -> bytes:
    return _block(number, _named(1, values, _response))


def _response(number: int, value: Json) -> bytes:
    return _block(number, _block(1, _text(1, value["description"])))


_DOCUMENT: Mapping[str, _Field] = {
    "swagger": _Field(1, _text),
    "info": _Field(2, _info),
    "paths": _Field(8, _paths),
    "definitions": _Field(9, _schemas),
}
_INFO: Mapping[str, _Field] = {"title": _Field(1, _text), "version": _Field(2, _text)}
_PATH_ITEM: Mapping[str, _Field] = {
    "get": _Field(2, _operation),
    "put": _Field(3, _operation),
    "post": _Field(4, _operation),
    "delete": _Field(5, _operation),
    "patch": _Field(8, _operation),
}
_OPERATION: Mapping[str, _Field] = {
    "parameters": _Field(8, lambda number, values: _each(number, values, _parameter)),
    "responses": _Field(9, _responses),
}
_QUERY_PARAMETER: Mapping[str, _Field] = {
    "in": _Field(2, _text),
    "name": _Field(4, _text),
    "type": _Field(6, _text),
    "uniqueItems": _Field(20, _integer),
}
_SCHEMA: Mapping[str, _Field] = {
    "$ref": _Field(1, _text),
    "format": _Field(2, _text),
    "description": _Field(4, _text),
    "multipleOf": _Field(6, _double),
    "maximum": _Field(7, _double),
    "exclusiveMaximum": _Field(8, _integer),
    "minimum": _Field(9, _double),
    "exclusiveMinimum": _Field(10, _integer),
    "maxLength": _Field(11, _integer),
    "minLength": _Field(12, _integer),
    "pattern": _Field(13, _text),
    "maxItems": _Field(14, _integer),
    "minItems": _Field(15, _integer),
    "uniqueItems": _Field(16, _integer),
    "maxProperties": _Field(17, _integer),
    "minProperties": _Field(18, _integer),
    "required": _Field(19, lambda number, values: _each(number, values, _text)),
    "enum": _Field(20, lambda number, values: _each(number, values, _any)),
    "additionalProperties": _Field(21, _additional),
    "type": _Field(22, _type),
    "items": _Field(23, _items),
    "properties": _Field(25, _schemas),
}
