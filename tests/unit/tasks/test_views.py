"""What callers see of a task, and what of it is only for those who may read the object."""

from __future__ import annotations

import pytest

from mcptasks.model.task import McpTask
from mcptasks.settings import Settings
from mcptasks.tasks.views import TaskViews
from tests.unit.tasks.objects import task_object

CRASHED = {
    "phase": "failed",
    "reason": "ExitCode",
    "message": "the process ended with exit code 1",
    "logTail": "connecting to postgres://app:secret@db/app\nfatal",
    "conditions": [{"type": "Succeeded", "status": "False", "message": "postgres://app:secret@db/app"}],
}


@pytest.fixture
def crashed() -> McpTask:
    return McpTask.model_validate(task_object(status=CRASHED))


def test_a_caller_sees_no_line_of_the_log_of_a_process_that_died(crashed: McpTask) -> None:
    view = TaskViews(Settings()).of(crashed)
    assert view.message == "the process ended with exit code 1"
    assert "secret" not in repr(view)


def test_a_setting_shows_callers_the_last_log_lines(crashed: McpTask) -> None:
    view = TaskViews(Settings(show_log_lines=True)).of(crashed)
    assert view.message == (
        "the process ended with exit code 1\nLast log lines:\nconnecting to postgres://app:secret@db/app\nfatal"
    )


def test_without_a_log_the_message_stays_as_it_is() -> None:
    task = McpTask.model_validate(task_object(status={**CRASHED, "logTail": None}))
    assert TaskViews(Settings(show_log_lines=True)).of(task).message == "the process ended with exit code 1"
