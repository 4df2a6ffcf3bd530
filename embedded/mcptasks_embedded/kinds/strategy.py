"""A strategy: what is particular to a kind when its objects are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mcptasks_embedded.values.errors import FieldError
from mcptasks_embedded.values.json_object import Json


def _no_defaults(obj: Json) -> None:
    """Leave the object as it is."""


def _no_errors(new: Json, old: Json | None) -> list[FieldError]:
    return []


@dataclass(frozen=True, slots=True)
class Strategy:
    """`prepare` completes an object in place on create, `normalise` on every write.

    `validate` gets the new and the old object; on create there is no old one.
    """

    prepare: Callable[[Json], None] = _no_defaults
    normalise: Callable[[Json], None] = _no_defaults
    validate: Callable[[Json, Json | None], list[FieldError]] = _no_errors
