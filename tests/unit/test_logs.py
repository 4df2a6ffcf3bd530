"""Logs carry the task's id, for people and for programs."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from mcptasks.logs import bind_task, configure_logging


@pytest.fixture(autouse=True)
def _restore_root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_json_lines_carry_task_and_extras_and_traceback() -> None:
    stream = io.StringIO()
    configure_logging("json", "INFO", stream)
    with bind_task("report-abc"):
        try:
            raise ValueError("broken\nline")
        except ValueError:
            logging.getLogger("x").exception("failed: %s", "why", extra={"size": 3})
    entry = json.loads(stream.getvalue())
    assert entry["task"] == "report-abc"
    assert entry["message"] == "failed: why"
    assert entry["size"] == 3
    assert "ValueError: broken" in entry["exception"]


def test_a_task_given_with_the_record_wins_over_the_context() -> None:
    stream = io.StringIO()
    configure_logging("human", "INFO", stream)
    with bind_task("outer"):
        logging.getLogger("x").info("hello", extra={"task": "inner"})
    logging.getLogger("x").info("bye")
    assert "[inner] hello" in stream.getvalue()
    assert "x: bye" in stream.getvalue()


FORGED = "report\n12:00:00 ERROR   mcptasks: all is lost\r\x1b[2J\u202e\x9b"


@pytest.mark.parametrize("log_format", ["human", "json"])
def test_no_text_of_others_can_forge_a_record_or_reach_the_terminal(log_format: str) -> None:
    stream = io.StringIO()
    configure_logging(log_format, "INFO", stream)
    log = logging.getLogger("mcptasks.x")
    log.info("task %s", FORGED, extra={"task": "a"})
    try:
        raise ValueError(FORGED)
    except ValueError:
        log.exception("failed")
    first, *lines = stream.getvalue().splitlines()
    assert not any(character in stream.getvalue() for character in "\r\x1b\u202e\x9b")
    records = [line for line in (first, *lines) if not line.startswith("    ")]
    assert len(records) == 2


def test_half_of_a_surrogate_pair_is_logged() -> None:
    for log_format in ("human", "json"):
        stream = io.StringIO()
        configure_logging(log_format, "INFO", stream)
        logging.getLogger("x").info("half \ud800")
        assert "half \\ud800" in stream.getvalue()
        stream.getvalue().encode()


@pytest.mark.parametrize("log_format", ["human", "json"])
def test_nothing_from_outside_makes_a_long_line(log_format: str) -> None:
    stream = io.StringIO()
    configure_logging(log_format, "INFO", stream)
    log, long = logging.getLogger("mcptasks.x"), "start" + "x" * 42_000 + "end"
    log.info("a token was refused: %s", ValueError(f"no key {long!r}"))
    log.info("path %r of %s", long, [long], extra={"task": long, "agent": long})
    log.info(long)
    try:
        raise ValueError(long)
    except ValueError:
        log.exception("failed")
    *lines, last = stream.getvalue().splitlines()
    assert max(map(len, lines)) < 25_000
    assert len(last) < 25_000
    assert len(lines[0]) < 1500
    assert "no key 'start" in lines[0]
    assert "characters left out" in lines[0]
    assert len(lines[1]) < 6000


def test_what_a_tool_logs_stays_whole() -> None:
    stream = io.StringIO()
    configure_logging("human", "INFO", stream)
    for name in ("mcptasks.tool", "somebody"):
        logging.getLogger(name).info("%s", "x" * 42_000)
    assert [len(line) > 42_000 for line in stream.getvalue().splitlines()] == [True, True]


class TextlessError(Exception):
    """An exception of an author whose text cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_what_has_no_text_does_not_fail_the_one_who_logs_it(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("human", "INFO", io.StringIO())
    logging.getLogger("mcptasks.x").error("failed: %s", TextlessError())
    assert "no text" in capsys.readouterr().err
