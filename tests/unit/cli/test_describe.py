"""A task described in sections."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mcptasks.cli.task_description import TaskFacts, ago, describe
from mcptasks.kube.errors import InvalidError
from mcptasks.kube.task_attempts import Attempt
from mcptasks.kube.task_objects import parse_task
from mcptasks.model.base import JsonObject
from mcptasks.model.task import McpTask
from tests.support.odd_objects import ODD_TASKS, with_parts

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


def at(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def facts(status: JsonObject | None = None, **more: Any) -> TaskFacts:
    task = McpTask.model_validate(
        {
            "metadata": {"name": "report-1", "namespace": "tools", "uid": "u", "creationTimestamp": at(90)},
            "spec": {"component": {"name": "report"}, "arguments": {"top": 5}, "ttlMs": 60000},
            "status": status or {},
        }
    )
    given: dict[str, Any] = {"job": None, "attempts": (), "events": (), "log_lines": ()}
    return TaskFacts(task=task, now=NOW, **{**given, **more})


def pod(state: JsonObject) -> JsonObject:
    return {
        "metadata": {"name": "report-1-abcde"},
        "spec": {"containers": [{"name": "sidecar"}, {"name": "runner"}]},
        "status": {"containerStatuses": [{"name": "runner", "state": state}]},
    }


def test_a_new_task_says_that_nobody_has_seen_it() -> None:
    text = describe(facts())
    assert "Component:   tool report" in text
    assert 'Arguments:   {"top": 5}' in text
    assert "TTL:         60s" in text
    assert "not seen by the operator yet" in text
    assert "(90s ago)" in text
    for absent in ("Conditions:", "Attempts:", "Result:", "Last log lines:"):
        assert absent not in text


def test_an_ended_task_shows_times_result_conditions_and_its_job() -> None:
    status = {
        "phase": "completed",
        "reason": "Completed",
        "jobName": "report-1",
        "attempts": 1,
        "startedAt": at(80),
        "finishedAt": at(75.5),
        "expiresAt": at(-30),
        "progress": {"display": "100% (4/4)", "message": "sorting"},
        "result": {"text": '{"content": []}', "sizeBytes": 15},
        "conditions": [{"type": "Succeeded", "status": "True", "reason": "Completed", "lastTransitionTime": at(75)}],
    }
    text = describe(facts(status))
    assert "Job:        report-1 (gone)" in text
    assert "Progress:  100% (4/4) sorting" in text
    assert "4.5s later" in text
    assert "(in 30s)" in text
    assert "Succeeded  True    Completed  75s" in text
    assert '  {"content": []}' in text
    assert "Job:        report-1 (exists)" in describe(facts(status, job={"metadata": {}}))


def test_a_failure_of_several_lines_stays_in_its_column() -> None:
    text = describe(facts({"phase": "failed", "message": "exit code 3\nand more", "exitCode": 3}))
    lines = text.splitlines()
    first = next(line for line in lines if "exit code 3" in line)
    second = lines[lines.index(first) + 1]
    assert second.index("and more") == first.index("exit code 3")


def test_the_log_that_the_task_has_kept_is_shown_once_its_pod_is_gone() -> None:
    status = {"phase": "failed", "message": "exit code 3", "logTail": "one\ntwo"}
    assert describe(facts(status)).endswith("Last log lines:\n  one\n  two")
    assert describe(facts(status, log_lines=("two", "three"))).endswith("Last log lines:\n  two\n  three")


def test_attempts_events_and_log_are_listed() -> None:
    events = [
        {
            "type": "Normal",
            "reason": "Later",
            "lastTimestamp": at(5),
            "message": "b",
            "involvedObject": {"kind": "Pod"},
        },
        {"type": "Normal", "reason": "Early", "eventTime": at(9), "message": "a\nb", "involvedObject": {"kind": "Job"}},
    ]
    attempt = Attempt(pod({"terminated": {"exitCode": 3, "reason": "Error"}}))
    text = describe(facts(attempts=(attempt,), events=events, log_lines=("one", "two")))
    assert "1    report-1-abcde  Error (exit code 3)" in text
    assert text.index("Early") < text.index("Later")
    assert "a b" in text
    assert text.endswith("Last log lines:\n  one\n  two")


def test_prose_is_wrapped_to_the_terminal_and_stays_in_its_column() -> None:
    words = "a quota of the namespace counts limits.cpu and the container has none: set it in the template"
    event = {
        "type": "Warning",
        "reason": "R",
        "lastTimestamp": at(5),
        "message": words,
        "involvedObject": {"kind": "Job"},
    }
    log = "x " * 60
    described = facts({"phase": "failed", "message": words}, events=[event], log_lines=(log,))
    *lines, last = describe(described, 60).splitlines()
    assert max(map(len, lines)) <= 60
    assert last.strip() == log.strip()
    first = next(line for line in lines if "Warning" in line)
    below = lines[lines.index(first) + 1]
    assert len(below) - len(below.lstrip()) == first.index("a quota")
    assert "".join(describe(described).split()) == "".join(describe(described, 60).split())
    assert any(line.endswith(words) for line in describe(described).splitlines())


def test_long_arguments_are_cut_and_say_so() -> None:
    original = facts()
    spec = original.task.spec.model_copy(update={"arguments": {"text": "x" * 5000}})
    text = describe(TaskFacts(original.task.model_copy(update={"spec": spec}), None, (), (), (), NOW))
    assert "characters left out]" in text
    assert len(text) < 4000


def test_a_long_log_line_keeps_its_end() -> None:
    text = describe(facts(log_lines=("#" * 5000 + " FATAL: no database",)))
    assert text.endswith("# FATAL: no database")
    assert len(text) < 4000


def test_what_the_tool_raised_is_with_the_message() -> None:
    message = "Error executing tool boom"
    detail = "ZeroDivisionError: integer division or modulo by zero\n  at server.py:7 in boom"
    condition = {"type": "Succeeded", "status": "False", "reason": "ToolError", "message": f"{message}\n{detail}"}
    lines = describe(facts({"phase": "failed", "message": message, "conditions": [condition]})).splitlines()
    at = next(number for number, line in enumerate(lines) if line.strip().startswith("Message:"))
    assert [line.strip() for line in lines[at + 1 : at + 3]] == [line.strip() for line in detail.splitlines()]


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        ({"terminated": {"exitCode": 137, "signal": 9, "reason": "OOMKilled"}}, "OOMKilled (signal 9)"),
        ({"running": {"startedAt": "t"}}, "Running since t"),
        ({"waiting": {"reason": "ImagePullBackOff"}}, "ImagePullBackOff"),
        ({}, "Unknown"),
    ],
)
def test_an_attempt_in_a_few_words(state: JsonObject, outcome: str) -> None:
    assert Attempt(pod(state)).outcome() == outcome


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (185, "3m5s"),
        (3600, "60m"),
        (4 * 3600, "4h"),
        (9 * 3600, "9h"),
        (3 * 86400, "3d"),
    ],
)
def test_ages_are_kubectls(seconds: int, text: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == text


ODD_EVENTS: list[JsonObject] = [
    {"metadata": {"creationTimestamp": "0000-01-01T00:00:00Z"}, "lastTimestamp": "2026-01-01T00:00:00+99:99"},
    {"metadata": {}, "series": {"lastObservedTime": "x"}, "involvedObject": None, "message": None},
    {"series": [1], "eventTime": "0001-01-01T00:00:00+14:00", "type": 7, "reason": ["x"]},
    {"series": {"count": 3}, "lastTimestamp": "2026-11-22T11:59:00Z", "reason": "Plain"},
]


@pytest.mark.parametrize("parts", ODD_TASKS.values(), ids=ODD_TASKS.keys())
def test_an_odd_task_is_described_or_said_to_be_invalid(parts: dict[str, JsonObject]) -> None:
    item: JsonObject = {
        "metadata": {"name": "odd", "namespace": "tools", "uid": "u", "creationTimestamp": at(90)},
        "spec": {"component": {"name": "report"}},
        "status": {},
    }
    with suppress(InvalidError):
        task = parse_task(with_parts(item, parts))
        assert "odd" in describe(TaskFacts(task, None, (), ODD_EVENTS, (), NOW))


def test_events_of_odd_times_do_not_hide_the_others() -> None:
    text = describe(facts(events=ODD_EVENTS))
    assert "Plain" in text
    assert "60s" in text


def test_a_question_is_told_once() -> None:
    asked = {"key": "1-0", "method": "elicitation/create", "message": "Which colour?"}
    text = describe(facts({"phase": "input_required", "inputRequests": [asked]}))
    assert text.count("Which colour?") == 1


def test_the_attempt_of_a_worker_is_shown_as_its_task_says() -> None:
    """The Pod is the worker's: it goes on, and others' tasks may be in it."""
    status = {"executor": "Warm", "attempts": 2, "podName": "warm-w-1", "startedAt": at(5), "phase": "working"}
    assert "2    warm-w-1  Running since " in describe(facts(status))
    ended = status | {"phase": "failed", "reason": "ExitCode", "exitCode": 3}
    given = (Attempt(pod({"running": {"startedAt": at(60)}})),)
    text = describe(facts(ended, attempts=given))
    assert "2    warm-w-1  ExitCode (exit code 3)" in text
    assert "report-1-abcde" not in text
