"""What a running task asks, over protocol version 2026-07-28."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import utc_now
from mcptasks.model.questions import asked
from mcptasks.model.task import InputRequest
from tests.support.mcp import EXTENSION
from tests.unit.protocol.conftest import Endpoint

FORM: JsonObject = {"mode": "form", "message": "sure?", "requestedSchema": {"type": "object", "properties": {}}}
ACCEPT = {"action": "accept", "content": {"ok": True}}
ABLE: JsonObject = {"extensions": {EXTENSION: {}}, "elicitation": {}}


def new(endpoint: Endpoint, method: str, params: JsonObject, capabilities: JsonObject | None = None) -> Any:
    declared = {"io.modelcontextprotocol/clientCapabilities": ABLE if capabilities is None else capabilities}
    return endpoint.new(method, {**params, "_meta": declared})


def asking(endpoint: Endpoint, *keys: str, params: JsonObject = FORM) -> str:
    """A task whose tool asks."""
    answer = new(endpoint, "tools/call", {"name": "ask", "arguments": {}})
    task_id = str(answer.result["taskId"])
    questions = [
        InputRequest(key=key, method="elicitation/create", params_text=json.dumps(params), message="sure?")
        for key in keys
    ]
    endpoint.change(task_id, lambda task: asked(task, questions, utc_now()))
    return task_id


def get(endpoint: Endpoint, task_id: str, capabilities: JsonObject | None = None) -> JsonObject:
    result: JsonObject = new(endpoint, "tasks/get", {"taskId": task_id}, capabilities).result
    return result


def update(endpoint: Endpoint, task_id: str, **answers: object) -> Any:
    responses = {key.replace("_", "-"): value for key, value in answers.items()}
    return new(endpoint, "tasks/update", {"taskId": task_id, "inputResponses": responses})


def test_all_that_is_asked_is_in_the_task(endpoint: Endpoint) -> None:
    task = get(endpoint, asking(endpoint, "1-1", "1-2"))
    assert task["status"] == "input_required"
    assert task["statusMessage"] == "waiting for input: sure?; sure?"
    assert task["inputRequests"] == {key: {"method": "elicitation/create", "params": FORM} for key in ("1-1", "1-2")}


def test_what_the_client_cannot_answer_is_not_asked(endpoint: Endpoint) -> None:
    task = get(endpoint, asking(endpoint, "1-1"), {"extensions": {EXTENSION: {}}})
    assert (task["status"], task["inputRequests"]) == ("input_required", {})


def test_an_answer_is_acknowledged_and_its_question_gone_at_once(endpoint: Endpoint) -> None:
    task_id = asking(endpoint, "1-1", "1-2")
    ack = update(endpoint, task_id, **{"1_2": ACCEPT}).result
    assert {key: value for key, value in ack.items() if key != "_meta"} == {"resultType": "complete"}
    assert list(get(endpoint, task_id)["inputRequests"]) == ["1-1"]
    update(endpoint, task_id, **{"1_1": {"action": "decline"}})
    task = get(endpoint, task_id)
    assert task["status"] == "working"
    assert "inputRequests" not in task
    kept = endpoint.tasks.items[task_id]["status"]["inputRequests"]
    assert [request["responseText"] for request in kept] == [
        '{"action":"decline"}',
        '{"action":"accept","content":{"ok":true}}',
    ]


def test_unknown_repeated_and_late_answers_are_acknowledged_and_change_nothing(endpoint: Endpoint) -> None:
    task_id = asking(endpoint, "1-1")
    update(endpoint, task_id, **{"1_1": ACCEPT})
    writes = endpoint.tasks.writes
    for answers in ({"1_1": {"action": "cancel"}}, {"9_9": ACCEPT}, {}):
        assert update(endpoint, task_id, **answers).result["resultType"] == "complete"
    endpoint.complete(task_id)
    assert update(endpoint, task_id, **{"1_1": ACCEPT}).result["resultType"] == "complete"
    assert endpoint.tasks.writes == writes + 1


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"action": "perhaps"},
        {"action": "accept"},
        {"action": "accept", "content": "text"},
        {"action": "accept", "content": {"text": "x" * 70_000}},
    ],
)
def test_a_malformed_answer_is_refused_and_the_question_stays(endpoint: Endpoint, wrong: JsonObject) -> None:
    task_id = asking(endpoint, "1-1", "1-2")
    error = update(endpoint, task_id, **{"1_1": wrong, "1_2": ACCEPT}).error
    assert error["code"] == -32602
    assert "1-1" in error["message"]
    assert list(get(endpoint, task_id)["inputRequests"]) == ["1-1", "1-2"]


@pytest.mark.parametrize("content", [{"colour": "blue"}, {"colour": 1}, {}])
def test_an_answer_that_does_not_fit_the_form_is_refused_and_a_right_one_taken(
    endpoint: Endpoint, content: JsonObject
) -> None:
    schema = {
        "type": "object",
        "properties": {"colour": {"type": "string", "enum": ["red", "green"]}},
        "required": ["colour"],
    }
    task_id = asking(endpoint, "1-1", params={**FORM, "requestedSchema": schema})
    error = update(endpoint, task_id, **{"1_1": {"action": "accept", "content": content}}).error
    assert error["code"] == -32602
    assert "colour: " in error["message"]
    assert list(get(endpoint, task_id)["inputRequests"]) == ["1-1"]
    update(endpoint, task_id, **{"1_1": {"action": "accept", "content": {"colour": "red"}}})
    assert get(endpoint, task_id)["status"] == "working"


def test_a_tool_that_has_no_way_to_ask_gets_no_time_for_it(endpoint: Endpoint) -> None:
    plain = str(endpoint.new("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}}).result["taskId"])
    assert "inputTimeoutSeconds" not in endpoint.tasks.items[plain]["spec"]
    assert endpoint.tasks.items[asking(endpoint, "1-1")]["spec"]["inputTimeoutSeconds"] == 3600
