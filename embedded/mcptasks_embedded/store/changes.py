"""Stored objects and their changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mcptasks_embedded.values import json_values
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.references import Ref

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]


class StoreEntry:
    """A stored object and its JSON, encoded once no matter how many watchers there are."""

    __slots__ = ("_raw", "obj", "ref", "rv")

    def __init__(self, ref: Ref, obj: Json, rv: int) -> None:
        self.ref = ref
        self.obj = obj
        self.rv = rv
        self._raw: bytes | None = None

    @property
    def raw(self) -> bytes:
        if self._raw is None:
            self._raw = json_values.dumps(self.obj)
        return self._raw


@dataclass(frozen=True, slots=True)
class Change:
    """One write. `previous` is what the write replaced; a DELETED change carries the last state in `entry`."""

    type: ChangeType
    rv: int
    entry: StoreEntry
    previous: StoreEntry | None
