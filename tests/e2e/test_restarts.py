"""Nothing is lost by the death of a component. `make faults` tries the whole matrix."""

from __future__ import annotations

import threading
import time

import pytest

from tests.e2e.conftest import Deployment, Look
from tests.e2e.task_failures import explained
from tests.support.kubectl import Kubectl
from tests.support.mcp import RawClient
from tests.support.polling import eventually


@pytest.mark.parametrize("component", ["server", "operator", "redis"])
def test_a_component_killed_in_the_middle_of_a_task_loses_nothing(
    client: RawClient, look: Look, deployment: Deployment, component: str
) -> None:
    task_id = client.create("nap", {"seconds": 6})
    look.running(task_id)
    deployment.kill(component)
    deployment.ready(component)
    task = client.wait(task_id, seconds=120)
    assert task["status"] == "completed"
    assert client.result(task_id)["content"][0]["text"] == "rested"
    look.terminated(task_id)
    assert look.status(task_id)["attempts"] == 1
    assert len(look.jobs(task_id)) == 1


def test_a_result_delivered_while_the_gateway_is_away_arrives(
    client: RawClient, look: Look, deployment: Deployment
) -> None:
    task_id = client.create("nap", {"seconds": 3})
    look.running(task_id)
    deployment.scale("server", 0)
    time.sleep(5)
    deployment.scale("server", 1)
    assert client.wait(task_id, seconds=120)["status"] == "completed"
    assert look.status(task_id)["attempts"] == 1


@pytest.mark.long
def test_a_result_that_the_gateway_cannot_take_before_the_deadline_is_explained(
    client: RawClient, look: Look, kubectl: Kubectl, deployment: Deployment
) -> None:
    task_id = client.create("nap_in_time", {"seconds": 12})
    look.running(task_id)
    deployment.scale("server", 0)
    try:
        eventually(f"{task_id} has failed", lambda: look.status(task_id)["phase"] == "failed", 120)
    finally:
        deployment.scale("server", 1)
    status = explained(client, look, kubectl, task_id, "GatewayUnreachable")
    # The log's last line; an Event has no room for it.
    assert "gave up on POST /v1/outcome" in status["logTail"]


@pytest.mark.long
def test_a_draining_server_tells_waiting_callers_to_ask_again(
    client: RawClient, look: Look, deployment: Deployment
) -> None:
    task_id = client.create("nap", {"seconds": 12})
    look.running(task_id)
    answers = []
    waiter = threading.Thread(target=lambda: answers.append(client.old("tasks/result", {"taskId": task_id})))
    waiter.start()
    time.sleep(1)
    deployment.scale("server", 0)
    waiter.join(30)
    deployment.scale("server", 1)
    assert answers[0].error["code"] == -32603
    assert "send the request again" in answers[0].error["message"]
    assert client.result(task_id)["content"][0]["text"] == "rested"
