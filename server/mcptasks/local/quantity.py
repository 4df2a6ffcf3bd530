"""Resource quantities: `500m`, `1Gi`, `2`, `1e3`."""

from __future__ import annotations

import re
from decimal import Decimal

_SUFFIXES = {
    "": 0,
    "n": -9,
    "u": -6,
    "m": -3,
    "k": 3,
    "M": 6,
    "G": 9,
    "T": 12,
    "P": 15,
    "E": 18,
}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_FORM = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([A-Za-z]*)")


def parse_quantity(text: str | int | float) -> Decimal:
    """Raises ValueError when `text` is no quantity."""
    match = _FORM.fullmatch(str(text))
    if match is None:
        raise ValueError(f"not a quantity: {text}")
    number, suffix = Decimal(match[1]), match[2]
    if suffix in _BINARY:
        return number * Decimal(1024 ** _BINARY[suffix])
    if suffix not in _SUFFIXES:
        raise ValueError(f"not a quantity: {text}")
    return number.scaleb(_SUFFIXES[suffix])
