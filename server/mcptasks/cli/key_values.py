"""`key=value` pairs of an option that can be repeated."""

from __future__ import annotations

from collections.abc import Iterable


def grouped(option: str, pairs: Iterable[str], error: type[ValueError]) -> dict[str, list[str]]:
    """The values of each key, in their order. Raises the error for a pair of another form; it names the option."""
    values: dict[str, list[str]] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise error(f"{option} {pair!r} is not of the form key=value")
        values.setdefault(key, []).append(value)
    return values
