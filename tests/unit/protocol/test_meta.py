"""What is in `_meta` of answers about tasks: `related-task` where 2025-11-25 wants it, and our own progress."""

from __future__ import annotations

import json

import pytest

from tests.unit.protocol.conftest import Endpoint

RELATED = "io.modelcontextprotocol/related-task"


def test_it_is_on_the_result_and_nowhere_else(single_user_endpoint: Endpoint) -> None:
    endpoint = single_user_endpoint
    task_id = endpoint.make()
    endpoint.complete(task_id)
    assert endpoint.result(task_id)["_meta"][RELATED] == {"taskId": task_id}
    others = [
        endpoint.get(task_id),
        endpoint.cancel(endpoint.make()),
        endpoint.old("tasks/list").result,
        endpoint.new("tasks/get", {"taskId": task_id}).result,
    ]
    for other in others:
        assert RELATED not in json.dumps(other)


@pytest.mark.parametrize("method", ["tasks/get", "tasks/result", "tasks/cancel"])
def test_in_a_request_it_is_ignored(endpoint: Endpoint, method: str) -> None:
    task_id, other = endpoint.make(), endpoint.make()
    if method == "tasks/result":
        endpoint.complete(task_id)
    result = endpoint.old(method, {"taskId": task_id, "_meta": {RELATED: {"taskId": other}}}).result
    named = result["_meta"][RELATED]["taskId"] if method == "tasks/result" else result["taskId"]
    assert named == task_id
    assert endpoint.get(other)["status"] == "working"


def test_progress_in_numbers_is_in_the_meta_of_the_task(endpoint: Endpoint) -> None:
    task_id = endpoint.make()
    assert "_meta" not in endpoint.get(task_id)
    endpoint.change(task_id, lambda _task: {"status": {"progress": {"current": 3, "total": 4, "message": "nearly"}}})
    for task in (endpoint.get(task_id), endpoint.new("tasks/get", {"taskId": task_id}).result):
        assert task["_meta"]["mcptasks.dev/progress"] == {"current": 3, "total": 4}
        assert task["statusMessage"] == "nearly"
