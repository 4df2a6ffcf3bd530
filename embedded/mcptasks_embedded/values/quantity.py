"""Resource quantities: `500m`, `1Gi`, `2`, `1e3`."""

from __future__ import annotations

import re
from collections.abc import Iterable
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
_LEAST_POWER = -3
_FORM = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([A-Za-z]*)")


def parse_quantity(text: str | int | float) -> Decimal:
    """Raises ValueError unless `text` is a quantity."""
    match = _FORM.fullmatch(str(text))
    if match is None:
        raise ValueError(f"not a quantity: {text}")
    number, suffix = Decimal(match[1]), match[2]
    if suffix in _BINARY:
        return number * Decimal(1024 ** _BINARY[suffix])
    if suffix not in _SUFFIXES:
        raise ValueError(f"not a quantity: {text}")
    return number.scaleb(_SUFFIXES[suffix])


def format_quantity(amount: Decimal, *, binary: bool = False) -> str:
    """The canonical text: the largest suffix that leaves a whole number, but nothing below thousandths."""
    steps = [(suffix, Decimal(1024**power)) for suffix, power in _BINARY.items()]
    if not binary or amount % 1:
        steps = [(suffix, Decimal(1).scaleb(power)) for suffix, power in _SUFFIXES.items() if power >= _LEAST_POWER]
    return _largest(amount, steps) if amount else "0"


def _largest(amount: Decimal, steps: Iterable[tuple[str, Decimal]]) -> str:
    whole = [(size, suffix) for suffix, size in (("", Decimal(1)), *steps) if amount % size == 0]
    size, suffix = max(whole, default=(Decimal(1).scaleb(_LEAST_POWER), "m"))
    return f"{int(amount / size)}{suffix}"
