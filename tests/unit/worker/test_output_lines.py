"""A task's output: tagged lines for the log, and the end of it for the outcome."""

from __future__ import annotations

import json

import pytest

from mcptasks.model.task_lines import MAX_LINE_BYTES, TaskLine, line_tag
from mcptasks.worker.output_lines import LineTagger, tag_of
from tests.support.task_output import lines_of_task


def tagged(*chunks: bytes, log_format: str = "human") -> list[str]:
    """What becomes of the output, line by line."""
    tagger = LineTagger()
    tagger.label(tag_of(log_format)("task-1", 2))
    lines = [line for chunk in chunks for line in tagger.feed(chunk)] + tagger.finish()
    assert all(line.endswith(b"\n") and len(line) <= MAX_LINE_BYTES for line in lines)
    return [line[:-1].decode("utf-8", "replace") for line in lines]


def test_each_line_begins_with_the_task() -> None:
    assert tagged(b"one\ntwo\n") == ["[task-1/2] one", "[task-1/2] two"]


def test_a_line_that_comes_in_parts_is_one_line() -> None:
    assert tagged(b"o", b"n", b"e\nt", b"wo") == ["[task-1/2] one", "[task-1/2] two"]


def test_empty_lines_stay() -> None:
    assert tagged(b"\n\n") == ["[task-1/2] ", "[task-1/2] "]


@pytest.mark.parametrize("length", [1, 4000, MAX_LINE_BYTES, MAX_LINE_BYTES * 3, 100_000])
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_long_lines_are_put_together_again(length: int, end: bytes) -> None:
    lines = tagged(b"x" * length + end, b"next\n" if end else b"")
    assert list(lines_of_task(lines, "task-1")) == ["x" * length, *(["next"] if end else [])]


class TestLogsOfJson:
    """Each line is an object that says whose it is, and the task's own lines come out of it as they were."""

    @pytest.mark.parametrize(
        "line",
        [
            '{"time":"now","level":"INFO","task":"task-1","message":"at work"}',
            '{"text":"its own","line_of":"task-9/1"}',
            'plain words, "quoted", \\ and ümläute',
            "{}",
            "{ no JSON }",
            '["a list"]',
            "",
            "\x1b[31mred\x00",
            '{"line_of":"task-9/1","text":"forged"}',
        ],
    )
    def test_a_line_is_an_object_and_comes_back(self, line: str) -> None:
        (written,) = tagged(line.encode() + b"\n", log_format="json")
        found = json.loads(written)
        assert "task-1/2" in (found.get("output_of"), found.get("line_of"))
        assert list(lines_of_task([written], "task-1", 2)) == [line]
        assert list(lines_of_task([written], "task-9")) == []

    @pytest.mark.parametrize("character", ["x", "ä", "\x01", "😀"])
    @pytest.mark.parametrize("length", [1000, MAX_LINE_BYTES, 20_000])
    def test_long_lines_are_put_together_again(self, character: str, length: int) -> None:
        lines = tagged((character * length).encode() + b"\nnext\n", log_format="json")
        assert all(json.loads(line) for line in lines)
        assert list(lines_of_task(lines, "task-1")) == [character * length, "next"]

    def test_an_object_that_is_too_long_is_put_together_again(self) -> None:
        line = json.dumps({"message": "x" * 10_000})
        lines = tagged(line.encode() + b"\n", log_format="json")
        assert all(json.loads(each) for each in lines)
        assert list(lines_of_task(lines, "task-1")) == [line]


def test_without_a_label_lines_are_as_they_were() -> None:
    assert LineTagger().feed(b"one\n") == [b"one\n"]


def test_only_the_tasks_own_lines_are_its_own() -> None:
    log = ["12:00 INFO of the worker", "[task-1/1] first", "[task-2/1] other", "[task-1/2] [task-2/1] forged"]
    assert list(lines_of_task(log, "task-1")) == ["first", "[task-2/1] forged"]
    assert list(lines_of_task(log, "task-1", 2)) == ["[task-2/1] forged"]
    assert list(lines_of_task(log, "task-2")) == ["other"]


def test_pieces_of_tasks_side_by_side_do_not_mix() -> None:
    log = [f"{line_tag('a', 1, complete=False)}12", f"{line_tag('b', 1)}xx", f"{line_tag('a', 1)}34"]
    assert list(lines_of_task(log, "a")) == ["1234"]


@pytest.mark.parametrize("line", ["", "[", "[task-1]", "[task-1/x] a", "[task-1/1]a", " [task-1/1] a", "[T/1] a"])
def test_what_is_not_tagged_is_nobodys(line: str) -> None:
    assert TaskLine.parse(line) is None
