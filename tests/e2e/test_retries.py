"""Retries: none by default; only a process that died is started again, and attempts are counted."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import pairwise

import pytest

from mcptasks.model.base import JsonObject
from tests.e2e.conftest import Look
from tests.support.kubectl import Kubectl
from tests.support.mcp import RawClient
from tests.support.polling import eventually

BACKOFF_SECONDS = 10


def test_a_process_that_dies_is_started_again_as_often_as_allowed(client: RawClient, look: Look) -> None:
    task_id = client.create("retried")
    task = client.wait(task_id, seconds=150)
    status = look.status(task_id)
    assert task["status"] == "failed"
    assert (status["reason"], status["attempts"]) == ("ExitCode", 3)
    assert "attempt 3" in status["message"]
    assert len(look.jobs(task_id)) == 1
    pods = sorted(look.pods(task_id), key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
    pauses = [seconds_between(*pair) for pair in pairwise(pods)]
    assert len(pauses) == 2
    # The Job controller's back-off; both times are cut to whole seconds.
    assert pauses[0] >= BACKOFF_SECONDS - 1, pauses
    assert pauses[1] >= 2 * BACKOFF_SECONDS - 1, pauses


def seconds_between(before: JsonObject, after: JsonObject) -> float:
    """From the end of a Pod's container to the creation of the next Pod."""
    ended = before["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"]
    created = after["metadata"]["creationTimestamp"]
    return (datetime.fromisoformat(created) - datetime.fromisoformat(ended)).total_seconds()


@pytest.mark.long
def test_attempts_are_shown_while_the_task_waits_for_the_next_and_when_it_has_ended(
    client: RawClient, look: Look, kubectl: Kubectl
) -> None:
    task_id = client.create("second_time_lucky")

    def retrying() -> bool:
        return "attempt 1 of at most 2 failed" in client.get(task_id).get("statusMessage", "")

    eventually("tasks/get tells of the retry", retrying, 60)
    status = look.status(task_id)
    assert (status["phase"], status["reason"], status["attempts"]) == ("working", "Retrying", 1), status
    assert shown_attempts(kubectl, task_id) == "1"
    assert client.wait(task_id, seconds=90)["status"] == "completed"
    assert client.result(task_id)["structuredContent"] == {"result": 2}
    assert look.status(task_id)["attempts"] == 2
    assert shown_attempts(kubectl, task_id) == "2"
    assert re.search(r"Attempts: +2\n", kubectl.run("describe", "mcptask", task_id))
    look.terminated(task_id)
    assert len(look.pods(task_id)) == 2
    assert len(look.jobs(task_id)) == 1


def shown_attempts(kubectl: Kubectl, task_id: str) -> str:
    """What the column of `kubectl get -o wide` has."""
    head, line = kubectl.run("get", "mcptask", task_id, "-o", "wide").splitlines()
    start = head.index("ATTEMPTS")
    return line[start : start + len("ATTEMPTS")].strip()


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
