"""Every request is told of, by method, protocol version and outcome."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mcptasks.kube.errors import UnavailableError
from mcptasks.model.base import JsonObject
from tests.support.mcp import NEW, OLD, McpAnswer
from tests.unit.protocol.conftest import Endpoint

CALL: JsonObject = {"name": "add", "arguments": {"a": 1, "b": 2}}
WRONG: JsonObject = {"name": "add", "arguments": {"a": "x"}}
UNKNOWN: JsonObject = {"taskId": "unknown"}


def count(endpoint: Endpoint, method: str, era: str, outcome: str) -> float:
    labels = {"method": method, "era": era, "outcome": outcome}
    registry = endpoint.metrics.instruments.registry
    return registry.get_sample_value("mcptasks_requests_total", labels) or 0


@pytest.mark.parametrize(
    ("request_of", "method", "era", "outcome"),
    [
        (lambda e: e.old("tools/call", CALL), "tools/call", OLD, "ok"),
        (lambda e: e.old("tools/call", {**CALL, "task": {}}), "tools/call", OLD, "ok"),
        (lambda e: e.new("tools/call", CALL), "tools/call", NEW, "ok"),
        (lambda e: e.new("tools/call", WRONG), "tools/call", NEW, "tool_error"),
        (lambda e: e.old("tools/call", {**WRONG, "task": {}}), "tools/call", OLD, "refused"),
        (lambda e: e.old("tasks/get", UNKNOWN), "tasks/get", OLD, "refused"),
        (lambda e: e.new("tasks/get", UNKNOWN), "tasks/get", NEW, "refused"),
        (lambda e: e.old("tasks/list"), "tasks/list", OLD, "refused"),
        (lambda e: e.old("x/never-heard-of"), "other", OLD, "refused"),
    ],
)
def test_requests_are_counted(
    endpoint: Endpoint, request_of: Callable[[Endpoint], McpAnswer], method: str, era: str, outcome: str
) -> None:
    before = count(endpoint, method, era, outcome)
    request_of(endpoint)
    assert count(endpoint, method, era, outcome) == before + 1


def test_the_time_to_answer_is_measured(endpoint: Endpoint) -> None:
    endpoint.old("tools/list")
    labels = {"method": "tools/list", "era": OLD}
    registry = endpoint.metrics.instruments.registry
    assert (registry.get_sample_value("mcptasks_request_duration_seconds_count", labels) or 0) >= 1


def test_a_cluster_that_is_away_is_no_fault_of_the_caller(endpoint: Endpoint) -> None:
    endpoint.tasks.fail_with = UnavailableError(0, "Unavailable", "away")
    try:
        before = count(endpoint, "tools/call", NEW, "failed")
        assert "error" in endpoint.new("tools/call", CALL).message
    finally:
        endpoint.tasks.fail_with = None
    assert count(endpoint, "tools/call", NEW, "failed") == before + 1
