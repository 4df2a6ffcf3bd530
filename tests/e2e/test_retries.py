"""Retries: none by default; only a process that died is started again, and attempts are counted."""

from __future__ import annotations

from tests.e2e.conftest import Look
from tests.support.mcp import RawClient


def test_a_process_that_dies_is_started_again_as_often_as_allowed(client: RawClient, look: Look) -> None:
    task_id = client.create("retried")
    task = client.wait(task_id, seconds=150)
    status = look.status(task_id)
    assert task["status"] == "failed"
    assert (status["reason"], status["attempts"]) == ("ExitCode", 3)
    assert "attempt 3" in status["message"]
    assert len(look.jobs(task_id)) == 1


def test_nothing_is_retried_by_default(client: RawClient, look: Look) -> None:
    task_id = client.create("exit_with", {"code": 5})
    client.wait(task_id)
    look.terminated(task_id)
    assert look.status(task_id)["attempts"] == 1
    assert len(look.pods(task_id)) == 1


def test_a_tools_own_error_is_never_retried(client: RawClient, look: Look) -> None:
    task_id = client.create("refuse", {"message": "no"})
    client.wait(task_id)
    look.terminated(task_id)
    assert look.status(task_id)["attempts"] == 1
