"""What is kept of a log, and what comes of it again."""

from __future__ import annotations

import base64
import gzip
import random

import pytest

from mcptasks.model.log_records import MAX_PACKED_BYTES, MAX_PLAIN_BYTES, log_record, log_text
from mcptasks.model.task import LogRecord

LINES = "".join(f"2026-01-01T12:00:00 step {n} of the report is done, next is {n + 1}\n" for n in range(2000))


@pytest.mark.parametrize("nothing", [None, "", "\n \n"])
def test_of_a_silent_attempt_nothing_is_kept(nothing: str | None) -> None:
    assert log_record(nothing, 1) is None


def test_a_short_log_can_be_read_as_it_is() -> None:
    assert log_record("one\ntwo\n", 2) == LogRecord(text="one\ntwo\n", attempt=2)


def test_the_usual_log_of_64_kib_is_kept_whole() -> None:
    text = LINES[-60_000:]
    record = log_record(text, 1)
    assert record is not None
    assert (record.text, record.cut) == (None, None)
    assert len(record.gzip or "") < MAX_PACKED_BYTES
    assert log_text(record) == text


@pytest.mark.parametrize("character", ["x", "é", "\U0001f600"])
def test_of_what_does_not_fit_the_end_is_kept_in_whole_characters(character: str) -> None:
    noise = random.Random(5)
    text = "".join(character + chr(noise.randrange(33, 2000)) for _ in range(60_000))
    record = log_record(text, 1)
    assert record is not None
    assert record.cut
    assert len(record.gzip or "") <= MAX_PACKED_BYTES
    kept = log_text(record)
    assert kept
    assert text.endswith(kept)


def test_a_text_at_the_limit_is_plain_and_one_beyond_is_packed() -> None:
    at, beyond = log_record("a" * MAX_PLAIN_BYTES, 1), log_record("a" * (MAX_PLAIN_BYTES + 1), 1)
    assert at is not None
    assert beyond is not None
    assert (at.gzip, beyond.text) == (None, None)


def test_a_lone_surrogate_is_no_reason_to_lose_the_rest() -> None:
    record = log_record("a\ud800b\n", 1)
    assert record is not None
    assert record.text == "a?b\n"


def test_what_no_gateway_has_written_is_said_to_be_so() -> None:
    with pytest.raises(ValueError, match="cannot be unpacked"):
        log_text(LogRecord(gzip=base64.b64encode(b"no gzip").decode()))


@pytest.mark.parametrize(
    "packed",
    [
        base64.b64encode(gzip.compress(b"x" * 20_000_000)).decode(),
        base64.b64encode(gzip.compress(LINES.encode())[:-9]).decode(),
        base64.b64encode(b"\x1f\x8b\x08\x00" + b"\xff" * 40).decode(),
        "QUJD",
        "\u00fc",
    ],
)
def test_what_cannot_be_unpacked_to_a_log_is_said_to_be_so(packed: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        log_text(LogRecord(gzip=packed, attempt=1))
