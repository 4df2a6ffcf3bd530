"""What outcomes make of tasks."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks.gateway.contract import ErrorOutcome, FailureOutcome, Outcome, RefusalCode, ResultOutcome
from mcptasks.gateway.outcomes import (
    error_ending,
    has_ended_as,
    is_replay,
    refuse_invalid,
    result_ending,
    too_large_ending,
)
from mcptasks.gateway.refusals import RefusedError
from mcptasks.model.lifecycle import Ending
from mcptasks.model.task import Phase, Reason, ResultRecord, TaskError
from mcptasks.stores.result_errors import ResultTooLargeError
from tests.unit.gateway.builders import a_pod, a_task

RECORD = ResultRecord(text="{}", size_bytes=2, sha256="44136f")
RESULT = ResultOutcome(text="{}")
ERROR = ErrorOutcome(code=-32602, message="no such city", data_text='{"a":1}')
FAILURE = FailureOutcome(reason=Reason.MODULE_NOT_LOADABLE, message="no module")


class TestEndings:
    def test_an_answer_completes_the_task(self) -> None:
        assert result_ending(RESULT, RECORD) == Ending(
            Phase.COMPLETED, Reason.COMPLETED, "The task completed", result=RECORD
        )

    def test_a_tools_error_fails_the_task_and_keeps_the_result(self) -> None:
        outcome = ResultOutcome(text="{}", is_error=True, message="disk full")
        assert result_ending(outcome, RECORD) == Ending(Phase.FAILED, Reason.TOOL_ERROR, "disk full", result=RECORD)

    def test_a_json_rpc_error_is_kept_as_it_is(self) -> None:
        error = TaskError(code=-32602, message="no such city", data_text='{"a":1}')
        assert error_ending(ERROR) == Ending(Phase.FAILED, Reason.REQUEST_ERROR, "no such city", error=error)

    def test_data_that_the_object_has_no_room_for_is_dropped_and_said_so(self) -> None:
        ending = error_ending(ErrorOutcome(code=1, message="m" * 100_000, data_text='"' + "x" * 300_000 + '"'))
        assert ending.error is not None
        assert ending.error.data_text is None
        assert len(ending.error.message) == 32_768
        assert "300002 bytes, is too large and was dropped" in ending.message

    def test_a_failure_has_the_runners_reason(self) -> None:
        assert error_ending(FAILURE) == Ending(Phase.FAILED, Reason.MODULE_NOT_LOADABLE, "no module")

    def test_a_result_that_is_too_large_fails_the_task_with_its_size(self) -> None:
        ending = too_large_ending(ResultTooLargeError(2_000_000, 1_000_000, "MCPTASKS_X"))
        assert (ending.phase, ending.reason, ending.result) == (Phase.FAILED, Reason.RESULT_TOO_LARGE, None)
        assert "1.9 MiB" in ending.message


@pytest.mark.parametrize(
    "outcome",
    [
        *[ResultOutcome(text=text) for text in ("", " ", "nul", "1", "[1]", '{"a":', "{" * 70_000, "[" * 70_000)],
        ResultOutcome(text='{"a":"\\ud800"}'),
        ResultOutcome(text='{"a":"\\udc00","b":"' + "x" * 70_000 + '"}'),
        ErrorOutcome(code=1, message="", data_text="no json"),
        ErrorOutcome(code=1, message="", data_text='"\\uD83D"'),
        ErrorOutcome(code=1, message="", data_text="[" * 60_000 + "]" * 60_000),
        ErrorOutcome(code=2**63, message=""),
        ErrorOutcome(code=-(2**63) - 1, message=""),
    ],
    ids=lambda outcome: repr(outcome)[:60],
)
def test_an_outcome_that_no_reader_could_make_sense_of_is_refused(outcome: Outcome) -> None:
    with pytest.raises(RefusedError) as caught:
        refuse_invalid(outcome)
    assert (caught.value.code, caught.value.status) == (RefusalCode.INVALID, 422)


@pytest.mark.parametrize(
    "outcome", [RESULT, ResultOutcome(text='{"a":"' + "x" * 70_000 + '"}'), ERROR, FAILURE], ids=lambda o: o.kind
)
def test_every_other_outcome_is_taken(outcome: Outcome) -> None:
    refuse_invalid(outcome)


COMPLETED = {"phase": "completed", "reason": "Completed", "podUid": "pod-1", "result": RECORD.dump()}
FAILED = {"phase": "failed", "podUid": "pod-1"}


@pytest.mark.parametrize(
    ("status", "outcome", "sha256", "replay"),
    [
        (COMPLETED, RESULT, "44136f", True),
        (COMPLETED, RESULT, "another", False),
        (COMPLETED | {"podUid": "pod-2"}, RESULT, "44136f", False),
        (COMPLETED | {"phase": "working"}, RESULT, "44136f", False),
        (COMPLETED | {"phase": "cancelled"}, RESULT, "44136f", False),
        (COMPLETED, ERROR, None, False),
        (COMPLETED, FAILURE, None, False),
        (FAILED | {"reason": "ResultTooLarge"}, RESULT, "44136f", True),
        (FAILED | {"reason": "DeadlineExceeded"}, RESULT, "44136f", False),
        (FAILED | {"reason": "ModuleNotLoadable"}, FAILURE, None, True),
        (FAILED | {"reason": "OOMKilled"}, FAILURE, None, False),
        (FAILED | {"error": {"code": -32602, "message": "no such city", "dataText": '{"a":1}'}}, ERROR, None, True),
        (FAILED | {"error": {"code": -32602, "message": "another"}}, ERROR, None, False),
    ],
)
def test_only_the_very_outcome_that_ended_the_task_is_a_replay(
    status: dict[str, Any], outcome: Outcome, sha256: str | None, replay: bool
) -> None:
    assert is_replay(a_task(status), a_pod(), outcome, sha256) is replay


@pytest.mark.parametrize(
    ("changes", "so"),
    [
        ({}, True),
        ({"podUid": "pod-2"}, False),
        ({"phase": "cancelled", "reason": "CancelledByCaller", "result": None}, False),
        ({"result": {**RECORD.dump(), "text": "{ }"}}, False),
    ],
)
def test_a_task_has_ended_as_wanted_only_if_it_points_to_the_stored_result(changes: dict[str, Any], so: bool) -> None:
    assert has_ended_as(a_task(COMPLETED | changes), a_pod(), result_ending(RESULT, RECORD)) is so


def test_what_a_workers_task_has_printed_is_not_kept_twice() -> None:
    ending = error_ending(FailureOutcome(reason=Reason.RESULT_TOO_LARGE, message="too large", log_tail="x" * 60_000))
    assert ending.log_tail is None
