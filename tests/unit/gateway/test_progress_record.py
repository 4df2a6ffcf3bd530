"""Progress as a task's status shows it."""

from __future__ import annotations

import pytest

from mcptasks.gateway.contract import ProgressReport, RefusalCode
from mcptasks.gateway.progress_record import progress_patch, refuse_non_finite
from mcptasks.gateway.refusals import RefusedError
from mcptasks.model.lifecycle import timestamp
from mcptasks.model.task import McpTask
from tests.unit.gateway.builders import NOW, a_task

INF = float("inf")
NAN = float("nan")


@pytest.mark.parametrize(("current", "total"), [(NAN, None), (INF, None), (-INF, 1), (1, NAN), (1, INF)])
def test_numbers_that_json_does_not_have_are_refused(current: float, total: float | None) -> None:
    with pytest.raises(RefusedError) as caught:
        refuse_non_finite(ProgressReport(current=current, total=total))
    assert caught.value.code is RefusalCode.INVALID


class TestPatch:
    def test_a_report_sets_progress_message_and_time(self) -> None:
        assert progress_patch(a_task(), ProgressReport(current=9, total=20, message="parsing"), NOW) == {
            "status": {
                "progress": {"current": 9, "total": 20, "message": "parsing", "display": "45% (9/20)"},
                "message": "parsing",
                "lastUpdatedAt": timestamp(NOW),
            }
        }

    def test_a_report_without_total_and_message_removes_those_of_the_last_one(self) -> None:
        patch = progress_patch(a_task(), ProgressReport(current=9), NOW)
        assert patch is not None
        assert patch["status"]["progress"] == {"current": 9, "total": None, "message": None, "display": "9"}
        assert patch["status"]["message"] == "9"

    def test_the_same_progress_again_writes_nothing(self) -> None:
        status = {"progress": {"current": 9, "total": 20, "message": "parsing", "display": "45% (9/20)"}}
        assert progress_patch(a_task(status), ProgressReport(current=9, total=20, message="parsing"), NOW) is None

    def test_the_question_of_a_tool_that_waits_for_input_stays(self) -> None:
        patch = progress_patch(a_task({"phase": "input_required"}), ProgressReport(current=9), NOW)
        assert patch is not None
        assert "message" not in patch["status"]

    def test_a_long_message_still_fits_the_status(self) -> None:
        patch = progress_patch(a_task(), ProgressReport(current=1, message="x" * 10_000), NOW)
        assert patch is not None
        McpTask.model_validate(a_task().model_dump(by_alias=True, mode="json") | patch)
