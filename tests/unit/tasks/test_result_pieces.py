"""Which piece of a result a caller gets."""

from __future__ import annotations

import pytest

from mcptasks.stores.text_pieces import ByteRange
from mcptasks.tasks.result_pieces import PieceRequest
from mcptasks.tasks.service_errors import InvalidCallError

SIZE, MOST = 1000, 300


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [
        (None, None, ByteRange(0, 300)),
        ("0", "10", ByteRange(0, 10)),
        ("10", None, ByteRange(10, 300)),
        ("10", "301", ByteRange(10, 300)),
        ("900", None, ByteRange(900, 100)),
        ("999", "1", ByteRange(999, 1)),
        ("999", "999999999999999", ByteRange(999, 1)),
        ("007", "08", ByteRange(7, 8)),
    ],
)
def test_it_is_what_was_asked_for_within_what_there_is(
    offset: str | None, length: str | None, expected: ByteRange
) -> None:
    assert PieceRequest.parse(offset, length).within(SIZE, MOST) == expected


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.5", "1e3", " 1", "x", "٣", "1" * 16, "0x10"])
@pytest.mark.parametrize("name", ["offset", "length"])
def test_what_is_not_a_number_of_bytes_is_refused(name: str, text: str) -> None:
    values = {"offset": "0", "length": "1", name: text}
    with pytest.raises(InvalidCallError, match=f"Invalid {name}: use a number of bytes"):
        PieceRequest.parse(values["offset"], values["length"])


def test_nothing_cannot_be_asked_for() -> None:
    with pytest.raises(InvalidCallError, match="Invalid length 0"):
        PieceRequest.parse(None, "0")


@pytest.mark.parametrize("offset", ["1000", "1001"])
def test_behind_the_end_is_nothing(offset: str) -> None:
    with pytest.raises(InvalidCallError, match=f"Invalid offset {offset}: the result has 1000 bytes"):
        PieceRequest.parse(offset, None).within(SIZE, MOST)
