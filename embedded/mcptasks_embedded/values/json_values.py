"""JSON as the API server keeps it.

The API server decodes a number to int64 where it can and to float64 otherwise, and writes a float64 without a
fraction as an integer (Go's encoding/json). Hence 1.0 comes back as 1 and 12345678901234567890 as
12345678901234567000.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_SURROGATES = re.compile("[\ud800-\udfff]")


def _number(value: float) -> int | float:
    if abs(value) >= 1e21 or not value.is_integer():
        return value
    if _INT64_MIN <= value <= _INT64_MAX:
        return int(value)
    return int(Decimal(repr(value)))


def _parse_int(text: str) -> int | float:
    value = int(text) if len(text) < 400 else _overflow(text)
    return value if _INT64_MIN <= value <= _INT64_MAX else _number(_finite(float(value), text))


def _overflow(text: str) -> int:
    raise ValueError(f"cannot unmarshal number {text[:20]}... into float64")


def _parse_float(text: str) -> int | float:
    return _number(_finite(float(text), text))


def _finite(value: float, text: str) -> float:
    if value in (float("inf"), float("-inf")):
        _overflow(text)
    return value


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"invalid character {text[0]!r} looking for beginning of value")


def loads(data: bytes) -> Any:
    """Decode a request body. Raises ValueError for what Go's decoder refuses (NaN, Infinity, syntax)."""
    text = data.decode("utf-8", "replace")
    value = json.loads(text, parse_int=_parse_int, parse_float=_parse_float, parse_constant=_refuse_constant)
    # A lone surrogate escape cannot be encoded again; Go stores U+FFFD for it.
    return _without_surrogates(value) if "\\ud" in text or "\\uD" in text else value


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def normalise(value: Any) -> Any:
    """Apply the same number rules to a value that was not decoded from JSON: YAML, a patched object, Python code's."""
    if isinstance(value, dict):
        return {str(key): normalise(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [normalise(item) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return value if _INT64_MIN <= value <= _INT64_MAX else _number(float(value))
    if isinstance(value, float):
        return _number(_finite(value, repr(value)))
    raise ValueError(f"not a JSON value: {type(value).__name__}")


def dumps(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def equal_as_encoded(left: Any, right: Any) -> bool:
    """Whether both have the same JSON text but for the order of keys.

    Stricter than Python's `==`: 1 equals neither true nor 1.0. `loads` and `normalise` leave each number one spelling.
    """
    return left == right and json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
