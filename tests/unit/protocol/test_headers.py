"""Headers of protocol version 2026-07-28, and what tells the two versions apart."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.support.mcp import NEW, OLD
from tests.unit.protocol.conftest import Endpoint

TASK_METHODS = ("tasks/get", "tasks/update", "tasks/cancel")


def encoded(text: str) -> str:
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def params(method: str, task_id: str) -> dict[str, Any]:
    return {"taskId": task_id} | ({"inputResponses": {}} if method == "tasks/update" else {})


@pytest.mark.parametrize("method", TASK_METHODS)
def test_a_routing_header_may_name_the_task_plainly_or_in_base64_or_not_at_all(endpoint: Endpoint, method: str) -> None:
    task_id = endpoint.make()
    assert endpoint.new(method, params(method, task_id), mcp_name=task_id).status == 200
    assert endpoint.new(method, params(method, task_id), mcp_name=encoded(task_id)).status == 200
    assert endpoint.new(method, params(method, task_id)).status == 200


@pytest.mark.parametrize("method", TASK_METHODS)
@pytest.mark.parametrize("name", ["another", encoded("another"), "=?base64?!?=", ""])
def test_a_wrong_one_is_refused_whatever_its_form(endpoint: Endpoint, method: str, name: str) -> None:
    task_id = endpoint.make()
    answer = endpoint.new(method, params(method, task_id), mcp_name=name)
    assert (answer.status, answer.error["code"]) == (400, -32020)
    assert endpoint.get(task_id)["status"] == "working"


def test_the_method_header_must_name_the_method(endpoint: Endpoint) -> None:
    answer = endpoint.new("tasks/get", {"taskId": endpoint.make()}, mcp_method="tasks/cancel")
    assert (answer.status, answer.error["code"]) == (400, -32020)


def test_the_version_header_and_the_envelope_must_agree(endpoint: Endpoint) -> None:
    meta = {"io.modelcontextprotocol/protocolVersion": OLD}
    answer = endpoint.new("tasks/get", {"taskId": endpoint.make(), "_meta": meta})
    assert (answer.status, answer.error["code"]) == (400, -32020)


def test_an_unknown_version_is_refused_with_those_that_are_served(endpoint: Endpoint) -> None:
    meta = {"io.modelcontextprotocol/protocolVersion": "2030-01-01"}
    answer = endpoint.new("tools/list", {"_meta": meta}, mcp_protocol_version="2030-01-01")
    assert (answer.status, answer.error["code"]) == (400, -32022)
    assert NEW in answer.error["data"]["supported"]
    assert answer.error["data"]["requested"] == "2030-01-01"


@pytest.mark.parametrize("missing", ["protocolVersion", "clientCapabilities"])
def test_an_incomplete_envelope_is_an_invalid_request(endpoint: Endpoint, missing: str) -> None:
    prefix = "io.modelcontextprotocol/"
    meta = {f"{prefix}protocolVersion": NEW, f"{prefix}clientCapabilities": {}}
    del meta[prefix + missing]
    headers = {"mcp-protocol-version": NEW, "mcp-method": "tools/list"}
    answer = endpoint.post("tools/list", {"_meta": meta}, headers)
    assert answer.status == 400
    assert answer.error["code"] in (-32602, -32020)


def test_no_session_is_ever_minted_or_needed(endpoint: Endpoint) -> None:
    task_id = endpoint.make()
    answer = endpoint.old("tasks/get", {"taskId": task_id}, **{"mcp-session-id": "of another replica"})
    assert answer.result["taskId"] == task_id
