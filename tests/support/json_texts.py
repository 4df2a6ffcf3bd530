"""JSON texts of a wanted size."""

from __future__ import annotations


def text_of(size: int) -> str:
    """JSON text of exactly that many bytes."""
    return '{"a":"' + "x" * (size - 8) + '"}'
