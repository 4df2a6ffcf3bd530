"""Objects in the protocol buffer encoding.

kubectl sends what it builds itself this way (`kubectl create job`, `auth can-i`). It is only read: replies are always
JSON. Go writes fields that are not pointers even when they are empty, hence empty strings and messages count as absent.
https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from mcptasks_embedded.kinds.api_types import INT_OR_STRING, QUANTITY, STRINGS, TIMES, ApiTypes, FieldType
from mcptasks_embedded.values import times
from mcptasks_embedded.values.json_object import Json

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
#: Messages whose presence matters even when they are empty.
_PRESENT_WHEN_EMPTY = frozenset({"core.v1.EmptyDirVolumeSource"})


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, position
        shift += 7


def _parts(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) of a message. Raises ValueError for malformed data."""
    position = 0
    try:
        while position < len(data):
            key, position = _varint(data, position)
            wire, number = key & 7, key >> 3
            if wire == 0:
                value, position = _varint(data, position)
                yield number, value
                continue
            if wire == 2:
                size, position = _varint(data, position)
            elif wire in (1, 5):
                size = 8 if wire == 1 else 4
            else:
                raise ValueError(f"unexpected wire type {wire}")
            if position + size > len(data):
                raise ValueError("unexpected end of data")
            yield number, data[position : position + size]
            position += size
    except IndexError:
        raise ValueError("unexpected end of data") from None


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


class ObjectDecoder:
    """Reads objects of the kinds that `types` describes."""

    def __init__(self, types: ApiTypes) -> None:
        self._types = types

    def decode(self, data: bytes) -> Json:
        """An object from its envelope. Raises ValueError for malformed data and unknown kinds."""
        if not data.startswith(_MAGIC):
            raise ValueError("the object is not in the protobuf encoding")
        envelope = dict(_parts(data[len(_MAGIC) :]))
        meta = {number: _text(value) for number, value in _parts(_bytes(envelope.get(1, b"")))}
        api_version, kind = meta.get(1, ""), meta.get(2, "")
        group = api_version.rpartition("/")[0]
        message = self._types.message(group, kind) or self._types.message("meta.k8s.io", kind)
        if message is None:
            raise ValueError(f"{kind} of {api_version} cannot be read from protobuf")
        return {"apiVersion": api_version, "kind": kind, **self._message(_bytes(envelope.get(2, b"")), message)}

    def _message(self, data: bytes, message: str) -> Json:
        fields = {field.number: (name, field) for name, field in self._types.wire_fields(message).items()}
        result: Json = {}
        for number, value in _parts(data):
            if number in fields:
                name, field = fields[number]
                self._add(result, name, field, value)
        return {name: value for name, value in result.items() if value != ""}

    def _add(self, result: Json, name: str, field: FieldType, value: int | bytes) -> None:
        if field.shape == "inline":
            result |= self._message(_bytes(value), field.type)
        elif field.shape == "list":
            result.setdefault(name, []).append(self._one(value, field.type))
        elif field.shape == "map":
            pair = dict(_parts(_bytes(value)))
            result.setdefault(name, {})[_text(pair.get(1, b""))] = self._one(pair.get(2, b""), field.type)
        else:
            one = self._one(value, field.type)
            if one is not None and (one != {} or field.type in _PRESENT_WHEN_EMPTY):
                result[name] = one

    def _one(self, value: int | bytes, kind: str) -> Any:
        if kind == "bool":
            return bool(value)
        if kind in ("int32", "int64"):
            return _signed(value) if isinstance(value, int) else 0
        if kind == "double":
            return struct.unpack("<d", _bytes(value))[0]
        if kind == "string":
            return _text(value)
        if kind == "bytes":
            return base64.b64encode(_bytes(value)).decode()
        return self._special(_bytes(value), kind)

    def _special(self, data: bytes, kind: str) -> Any:
        if kind in TIMES:
            return _time(data)
        if kind == QUANTITY:
            return _text(dict(_parts(data)).get(1, b""))
        if kind in STRINGS:
            return [_text(value) for _, value in _parts(data)]
        if kind == INT_OR_STRING:
            parts = dict(_parts(data))
            return _text(parts.get(3, b"")) if parts.get(1) else parts.get(2, 0)
        return self._message(data, kind) if self._types.is_message(kind) else None


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("unexpected wire type")
    return value


def _text(value: int | bytes) -> str:
    return _bytes(value).decode("utf-8", "replace")


def _time(data: bytes) -> str | None:
    seconds = dict(_parts(data)).get(1)
    if not isinstance(seconds, int):
        return None
    return times.stamp(datetime.fromtimestamp(_signed(seconds), UTC))
