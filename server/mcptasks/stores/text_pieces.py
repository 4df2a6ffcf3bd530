"""Pieces of a stored text: counted in bytes of UTF-8, and cut between characters."""

from __future__ import annotations

from dataclasses import dataclass

MORE_OF_A_CHARACTER = 3
"""So many bytes may follow the first one of a character."""

_IS_CONTINUATION, _CONTINUATION = 0b1100_0000, 0b1000_0000


@dataclass(frozen=True)
class ByteRange:
    """So many bytes of a text, from `offset` on."""

    offset: int
    length: int

    def read_length(self, size: int) -> int:
        """How much to read of a text of this size, so that a character which begins in the range is whole."""
        return min(self.length + MORE_OF_A_CHARACTER, size - self.offset)


@dataclass(frozen=True)
class TextPiece:
    """Some characters of a text, and how many bytes they are."""

    text: str
    size_bytes: int


class SplitCharacterError(ValueError):
    """A piece that begins in the middle of a character."""


def whole_characters(data: bytes, length: int) -> TextPiece:
    """The text of the first `length` bytes, without the character that does not fit; one character at least.

    `data` has up to `MORE_OF_A_CHARACTER` further bytes, where there are any.

    Raises:
        SplitCharacterError: the data begins in the middle of a character.
        UnicodeDecodeError: it is not UTF-8.
    """
    if data and _continues(data[0]):
        raise SplitCharacterError
    end = min(length, len(data))
    while 0 < end < len(data) and _continues(data[end]):
        end -= 1
    if end == 0:
        end = next((at for at in range(1, len(data)) if not _continues(data[at])), len(data))
    return TextPiece(data[:end].decode(), end)


def _continues(byte: int) -> bool:
    return byte & _IS_CONTINUATION == _CONTINUATION
