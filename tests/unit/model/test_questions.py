"""What a task asks, as a function of the task: no cluster, no clock."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import timestamp
from mcptasks.model.questions import (
    MAX_QUESTION_BYTES,
    MAX_QUESTIONS,
    Answer,
    QuestionError,
    answered,
    answers,
    answers_due,
    asked,
    outstanding,
    timed_out,
    waited,
)
from mcptasks.model.task import InputRequest, McpTask, Phase, Reason, TaskError
from tests.unit.gateway.builders import NOW, a_task

YES = Answer('{"action":"accept"}')


def question(key: str, message: str = "sure?") -> InputRequest:
    return InputRequest(key=key, method="elicitation/create", params_text="{}", message=message)


def may_ask(**status: object) -> McpTask:
    return a_task({"phase": "working", **status}, inputTimeoutSeconds=600)


def after(task: McpTask, patch: JsonObject | None) -> McpTask:
    """The task once the patch is written."""
    assert patch is not None
    item = task.model_dump(mode="json", by_alias=True, exclude_none=True)
    item["status"] = {**item.get("status", {}), **patch["status"]}
    return McpTask.model_validate(item)


def asking(*keys: str) -> McpTask:
    task = may_ask()
    return after(task, asked(task, [question(key) for key in keys], NOW))


class TestAsking:
    def test_a_question_makes_the_task_input_required_and_shows_what_is_asked(self) -> None:
        task = asking("1-1")
        assert (task.phase, task.status.reason) == (Phase.INPUT_REQUIRED, Reason.INPUT_REQUIRED)
        assert task.status.message == "waiting for input: sure?"
        assert [request.key for request in outstanding(task)] == ["1-1"]
        assert (task.status.input_since, outstanding(task)[0].created_at) == (NOW, NOW)

    def test_asking_the_same_again_changes_nothing(self) -> None:
        assert asked(asking("1-1"), [question("1-1")], NOW + timedelta(seconds=5)) is None

    def test_an_answer_survives_a_new_question(self) -> None:
        task = asking("1-1")
        task = after(task, answered(task, {"1-1": YES}, NOW))
        task = after(task, asked(task, [question("1-1"), question("1-2")], NOW))
        assert answers(task) == {"1-1": YES}
        assert [request.key for request in outstanding(task)] == ["1-2"]

    def test_a_question_that_is_not_asked_any_more_goes_and_the_task_works_again(self) -> None:
        task = asking("1-1")
        task = after(task, asked(task, [], NOW + timedelta(seconds=3)))
        assert (task.phase, task.status.input_requests, task.status.input_since) == (Phase.WORKING, None, None)
        assert task.status.input_wait_ms == 3000

    def test_a_task_without_time_to_wait_cannot_ask(self) -> None:
        with pytest.raises(QuestionError, match="inputTimeoutSeconds"):
            asked(a_task(), [question("1-1")], NOW)

    @pytest.mark.parametrize(
        ("questions", "why"),
        [
            ([question(f"1-{n}") for n in range(MAX_QUESTIONS + 1)], "at once"),
            ([question("1-1"), question("1-1")], "same key"),
            ([InputRequest(key="1", method="m", params_text="x" * (MAX_QUESTION_BYTES + 1))], "bytes"),
            (
                [InputRequest(key=str(n), method="m", params_text="x" * MAX_QUESTION_BYTES) for n in range(5)],
                "at once may have 262144 bytes",
            ),
        ],
    )
    def test_a_task_cannot_ask_for_more_than_an_object_can_keep(self, questions: list[InputRequest], why: str) -> None:
        with pytest.raises(QuestionError, match=why):
            asked(may_ask(), questions, NOW)


class TestAskingOverALife:
    def test_questions_are_counted_and_those_that_are_asked_already_are_not_new(self) -> None:
        task = after(asking("1-1"), asked(asking("1-1"), [question("1-1"), question("1-2")], NOW))
        assert task.status.questions_asked == 2

    def test_a_task_cannot_ask_for_ever(self) -> None:
        task = may_ask()
        for number in range(3):
            task = after(task, asked(task, [question(f"1-{number}")], NOW, most=3))
            task = after(task, asked(task, [], NOW, most=3))
        with pytest.raises(QuestionError, match="3 questions in all"):
            asked(task, [question("1-3")], NOW, most=3)

    def test_a_question_can_be_withdrawn_where_no_other_may_follow(self) -> None:
        task = after(may_ask(), asked(may_ask(), [question("1-1")], NOW, most=1))
        task = after(task, asked(task, [], NOW, most=1))
        assert task.phase is Phase.WORKING


class TestAnswering:
    def test_the_last_answer_makes_the_task_work_again(self) -> None:
        task = asking("1-1", "1-2")
        task = after(task, answered(task, {"1-2": YES}, NOW + timedelta(seconds=2)))
        assert task.phase is Phase.INPUT_REQUIRED
        assert [request.key for request in outstanding(task)] == ["1-1"]
        task = after(task, answered(task, {"1-1": YES}, NOW + timedelta(seconds=5)))
        assert (task.phase, task.status.reason, task.status.input_wait_ms) == (Phase.WORKING, Reason.RUNNING, 5000)

    def test_the_first_answer_counts(self) -> None:
        task = asking("1-1")
        task = after(task, answered(task, {"1-1": YES}, NOW))
        assert answered(task, {"1-1": Answer('{"action":"decline"}')}, NOW) is None

    def test_an_answer_to_nothing_is_dropped(self) -> None:
        assert answered(asking("1-1"), {"1-7": YES}, NOW) is None
        assert answered(a_task({"phase": "cancelled"}), {"1-1": YES}, NOW) is None

    def test_an_error_is_an_answer(self) -> None:
        refusal = Answer(error=TaskError(code=-32601, message="Method not found"))
        task = asking("1-1")
        task = after(task, answered(task, {"1-1": refusal}, NOW))
        assert (answers(task), task.phase) == ({"1-1": refusal}, Phase.WORKING)


class TestTime:
    def test_all_waiting_of_an_attempt_counts_together(self) -> None:
        task = may_ask(inputWaitMs=500_000, inputSince=timestamp(NOW), phase="input_required")
        assert waited(task, NOW + timedelta(seconds=40)) == timedelta(seconds=540)
        assert answers_due(task) == NOW + timedelta(seconds=100)

    def test_a_task_that_does_not_wait_is_never_late(self) -> None:
        assert answers_due(may_ask(inputWaitMs=1)) is None

    def test_the_end_says_what_was_asked(self) -> None:
        ending = timed_out(asking("1-1"))
        assert (ending.phase, ending.reason) == (Phase.FAILED, Reason.INPUT_TIMEOUT)
        assert "'sure?'" in ending.message
        assert "600 s" in ending.message
