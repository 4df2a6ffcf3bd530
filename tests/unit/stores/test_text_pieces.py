"""Pieces of a text: cut between characters, none lost and none twice."""

from __future__ import annotations

import pytest

from mcptasks.stores.text_pieces import ByteRange, SplitCharacterError, whole_characters

TEXT = "aé€\U0001d11e"
"""Characters of one, two, three and four bytes, which begin at 0, 1, 3 and 6."""


def piece(offset: int, length: int, text: str = TEXT) -> str:
    data = text.encode()
    span = ByteRange(offset, length)
    return whole_characters(data[offset : offset + span.read_length(len(data))], length).text


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [
        (0, 1, "a"),
        (0, 2, "a"),
        (0, 3, "aé"),
        (0, 5, "aé"),
        (0, 6, "aé€"),
        (0, 9, "aé€"),
        (0, 10, TEXT),
        (0, 99, TEXT),
        (3, 4, "€"),
        (6, 4, "\U0001d11e"),
    ],
)
def test_a_character_that_does_not_fit_is_left_for_the_next_piece(offset: int, length: int, expected: str) -> None:
    assert piece(offset, length) == expected


@pytest.mark.parametrize(("offset", "expected"), [(1, "é"), (3, "€"), (6, "\U0001d11e")])
def test_one_character_is_there_however_little_is_asked_for(offset: int, expected: str) -> None:
    assert piece(offset, 1) == expected


@pytest.mark.parametrize("offset", [2, 4, 5, 7, 8, 9])
def test_a_piece_begins_with_a_character(offset: int) -> None:
    with pytest.raises(SplitCharacterError):
        piece(offset, 4)


@pytest.mark.parametrize("length", range(1, 12))
def test_the_pieces_one_after_the_other_are_the_text(length: int) -> None:
    pieces, offset = [], 0
    while offset < len(TEXT.encode()):
        pieces.append(piece(offset, length))
        offset += len(pieces[-1].encode())
    assert "".join(pieces) == TEXT


@pytest.mark.parametrize(("length", "expected"), [(1, 1), (2, 1), (3, 3), (99, 10)])
def test_a_piece_knows_how_many_bytes_it_has(length: int, expected: int) -> None:
    assert whole_characters(TEXT.encode(), length).size_bytes == expected


def test_what_is_no_text_is_told_apart() -> None:
    with pytest.raises(UnicodeDecodeError):
        whole_characters(b"a\xff\xff\xff", 4)
