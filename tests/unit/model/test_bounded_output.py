"""What is kept of output that is too long to be kept whole."""

from __future__ import annotations

import tracemalloc

import pytest

from mcptasks.model import bounded_output
from mcptasks.model.bounded_output import MARK_BYTES, BoundedOutput, within_bytes

NUMBERED = "".join(f"line {number:06}\n" for number in range(10_000))


def kept_of(output: BoundedOutput, *chunks: bytes) -> str:
    for chunk in chunks:
        output.add(chunk)
    return output.text()


def test_little_output_is_kept_whole() -> None:
    assert kept_of(BoundedOutput(10), b"one\n", b"", b"two") == "one\ntwo"
    assert kept_of(BoundedOutput(4, head=6), b"one\n", b"", b"two\nx") == "one\ntwo\nx"


class TestTheEndAlone:
    def test_of_much_the_last_whole_lines_are_kept(self) -> None:
        assert kept_of(BoundedOutput(10), *(f"{number:04}\n".encode() for number in range(1000))) == "0998\n0999\n"

    def test_a_line_of_which_the_beginning_is_gone_is_left_out(self) -> None:
        assert kept_of(BoundedOutput(10), b"begin", b"end\n0123", b"456\n") == "0123456\n"

    def test_one_long_line_is_cut(self) -> None:
        assert kept_of(BoundedOutput(10), b"x" * 1000, b"y") == "x" * 9 + "y"

    def test_what_is_no_text_becomes_some(self) -> None:
        assert kept_of(BoundedOutput(10), b"\xff\xfe") == "\ufffd\ufffd"


class TestBeginningAndEnd:
    @pytest.mark.parametrize("chunk", [1, 7, 4096, len(NUMBERED)])
    def test_a_line_says_how_many_are_left_out_between_them(self, chunk: int) -> None:
        data = NUMBERED.encode()
        text = kept_of(BoundedOutput(40, head=30), *(data[at : at + chunk] for at in range(0, len(data), chunk)))
        assert text == "line 000000\nline 000001\n… 9,995 lines left out …\n" + "".join(NUMBERED.splitlines(True)[-3:])

    @pytest.mark.parametrize("size", [200, 1000, 100_000])
    def test_no_more_is_kept_than_was_said_and_every_line_is_kept_or_counted(self, size: int) -> None:
        text = within_bytes(NUMBERED, size)
        assert size - 2 * MARK_BYTES <= len(text.encode()) <= size
        lines = text.splitlines()
        mark = next(line for line in lines if line.startswith("…"))
        assert len(lines) - 1 + int(mark.split()[1].replace(",", "")) == 10_000

    def test_one_line_is_called_one(self) -> None:
        assert kept_of(BoundedOutput(4, head=4), b"one\ntwo\nend\n") == "one\n… 1 line left out …\nend\n"

    def test_of_one_endless_line_both_ends_are_kept(self) -> None:
        assert (
            kept_of(BoundedOutput(5, head=5), b"a" * 5 + b"x" * 90 + b"b" * 5) == "aaaaa\n… 90 bytes left out …\nbbbbb"
        )

    def test_the_text_can_be_asked_for_twice(self) -> None:
        output = BoundedOutput(4, head=4)
        assert kept_of(output, b"one\ntwo\nend\n") == output.text()

    def test_characters_are_not_cut_in_two(self) -> None:
        assert "\ufffd" not in within_bytes("é\n" * 5000, 1001)


def test_what_fits_stays_as_it_is() -> None:
    assert within_bytes("one\ntwo", 7) == "one\ntwo"


@pytest.mark.parametrize("output", [BoundedOutput(8192), BoundedOutput.within(8192)], ids=["end", "both ends"])
def test_the_end_stays_where_carriage_returns_alone_end_lines(output: BoundedOutput) -> None:
    for number in range(3000):
        output.add(f"\r{number / 30:.0f}% loading rows".encode())
    output.add(b"\rFATAL: no database\n")
    assert output.text().endswith("\rFATAL: no database\n")


def test_the_end_of_one_endless_line_stays_though_it_ends_at_last() -> None:
    assert within_bytes("x" * 20000 + " the end\n", 8192).endswith(" the end\n")


def test_many_small_pieces_take_little_more_than_what_is_kept() -> None:
    tracemalloc.start()
    try:
        output = BoundedOutput.within(2**20)
        for number in range(300_000):
            output.add(b"%d\n" % number)
        # Threads that other tests have left allocate as well.
        own = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, bounded_output.__file__)])
    finally:
        tracemalloc.stop()
    assert sum(each.size for each in own.statistics("filename")) < 1.5 * 2**20
    assert output.text().endswith("299998\n299999\n")
