"""Outcomes before they leave the process."""

from __future__ import annotations

import json

import pytest

from mcptasks.gateway.contract import ErrorOutcome, FailureOutcome, Outcome, ResultOutcome
from mcptasks.model.task import Reason
from mcptasks.runner.outcome_encoding import encoded, exit_code, utf8_size, within_limit


@pytest.mark.parametrize("text", ["", "plain", "é", "日本", "🎉", "\x7f\x80"])
def test_sizes_are_those_of_utf_8(text: str) -> None:
    assert utf8_size(text) == len(text.encode())


def test_a_result_of_the_limit_is_left_alone_and_one_byte_more_is_a_failure() -> None:
    assert within_limit(ResultOutcome(text="éé"), 4) == ResultOutcome(text="éé")
    failure = within_limit(ResultOutcome(text="ééa"), 4)
    assert isinstance(failure, FailureOutcome)
    assert failure.reason is Reason.RESULT_TOO_LARGE
    assert "is 5 bytes, the limit is 4 bytes" in failure.message


def test_a_text_that_is_in_the_result_twice_says_so() -> None:
    words = "x" * 600
    text = json.dumps({"content": [{"type": "text", "text": words}], "structuredContent": {"result": words}})
    failure = within_limit(ResultOutcome(text=text), 1024)
    assert isinstance(failure, FailureOutcome)
    assert "counts twice, as text and as structured content; structured_output=False" in failure.message
    unstructured = within_limit(
        ResultOutcome(text=json.dumps({"content": [{"type": "text", "text": words * 2}]})), 1024
    )
    assert isinstance(unstructured, FailureOutcome)
    assert "twice" not in unstructured.message


@pytest.mark.parametrize(
    "outcome",
    [
        ResultOutcome(text='{"a": "é\\n\\u0000"}'),
        ErrorOutcome(code=-32602, message="no", data_text="[1.0]"),
        FailureOutcome(reason=Reason.MODULE_NOT_LOADABLE, message="no"),
    ],
)
def test_the_gateway_reads_what_the_runner_writes(outcome: Outcome) -> None:
    assert type(outcome).model_validate_json(encoded(outcome)) == outcome


def test_text_that_is_not_unicode_becomes_a_failure() -> None:
    body = json.loads(encoded(ResultOutcome(text='{"a":"\ud800"}')))
    assert (body["kind"], body["reason"]) == ("failure", "ResultNotSerializable")


def test_a_message_is_cut_to_what_a_status_can_hold() -> None:
    body = json.loads(encoded(ResultOutcome(text="{}", is_error=True, message="x" * 100_000)))
    assert len(body["message"]) == 32_768


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (ResultOutcome(text="{}"), 0),
        (ResultOutcome(text="{}", is_error=True), 0),
        (ErrorOutcome(code=1, message=""), 0),
        (FailureOutcome(reason=Reason.COMPONENT_NOT_FOUND, message=""), 65),
    ],
)
def test_only_a_failure_of_the_runner_shows_in_the_exit_code(outcome: Outcome, code: int) -> None:
    assert exit_code(outcome) == code
