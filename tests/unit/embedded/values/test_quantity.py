"""Resource quantities."""

from __future__ import annotations

from decimal import Decimal

import pytest

from mcptasks_embedded.values.quantity import format_quantity, parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [("2", "2"), ("500m", "0.5"), ("1Ki", "1024"), ("1.5Gi", "1610612736"), ("1k", "1000"), ("1e3", "1000"), (3, "3")],
)
def test_quantities(text: str | int, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize(
    ("amount", "binary", "text"),
    [
        ("0", True, "0"),
        ("2", False, "2"),
        ("1000", False, "1k"),
        ("1500", False, "1500"),
        ("0.5", False, "500m"),
        ("1024", True, "1Ki"),
        ("1610612736", True, "1536Mi"),
        ("1000", True, "1000"),
    ],
)
def test_canonical_quantities(amount: str, binary: bool, text: str) -> None:
    assert format_quantity(Decimal(amount), binary=binary) == text


@pytest.mark.parametrize("text", ["", "x", "1x", "1 Gi"])
def test_bad_quantities(text: str) -> None:
    with pytest.raises(ValueError):
        parse_quantity(text)
