"""Which piece of a result a caller gets: what it asks for, within what there is and what one answer may carry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from mcptasks.stores.text_pieces import ByteRange
from mcptasks.tasks.service_errors import InvalidCallError

_NUMBER = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True)
class PieceRequest:
    """The piece that a caller asks for, in bytes; without a length, as much as an answer may carry."""

    offset: int = 0
    length: int | None = None

    @classmethod
    def parse(cls, offset: str | None, length: str | None) -> Self:
        """The piece that a URI asks for. Raises InvalidCallError for what is not a number of bytes."""
        wanted = None if length is None else _number("length", length)
        if wanted == 0:
            raise InvalidCallError("Invalid length 0: ask for one byte at least, or leave length out")
        return cls(0 if offset is None else _number("offset", offset), wanted)

    def within(self, size: int, most: int) -> ByteRange:
        """The part of a result of this size, at most so much. Raises InvalidCallError where nothing is there."""
        if self.offset >= size:
            raise InvalidCallError(f"Invalid offset {self.offset}: the result has {size} bytes, counted from 0")
        wanted = most if self.length is None else min(self.length, most)
        return ByteRange(self.offset, min(wanted, size - self.offset))


def _number(name: str, text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise InvalidCallError(f"Invalid {name}: use a number of bytes, for example {name}=65536")
    return int(text)
