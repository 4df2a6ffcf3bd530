"""What one caller may ask of a server, over raw HTTP: each refusal says what to do."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from mcptasks import TaskServer
from mcptasks.model.base import JsonObject
from mcptasks.settings import Settings
from tests.unit.protocol.conftest import serving

CALL = {"name": "add", "arguments": {"a": 1, "b": 2}}


def test_one_caller_has_only_so_many_unfinished_tasks() -> None:
    with serving(Settings(max_tasks_per_caller=2)) as endpoint:
        first, _ = endpoint.make(), endpoint.make()
        for answer in (endpoint.old("tools/call", {**CALL, "task": {}}), endpoint.new("tools/call", CALL)):
            assert answer.error["code"] == -32603
            assert "2 unfinished tasks" in answer.error["message"]
            assert "cancel one" in answer.error["message"]
            assert answer.error["data"] == {"reason": "TooManyTasks", "limit": 2}
        endpoint.complete(first)
        endpoint.make()


def test_a_repeated_call_makes_no_task_and_is_not_counted() -> None:
    with serving(Settings(max_tasks_per_caller=1)) as endpoint:
        keyed = {**CALL, "task": {}, "_meta": {"mcptasks.dev/idempotency-key": str(uuid.uuid4())}}
        task_id = endpoint.old("tools/call", keyed).result["task"]["taskId"]
        assert endpoint.old("tools/call", keyed).result["task"]["taskId"] == task_id
        other = {**keyed, "arguments": {"a": 5, "b": 5}}
        assert endpoint.old("tools/call", other).error["code"] == -32602


@pytest.mark.parametrize("version", ["old", "new"])
def test_a_caller_that_polls_too_often_is_told_how_long_to_wait(version: str) -> None:
    with serving(Settings(max_polls_per_second=0.5)) as endpoint:
        task_id = endpoint.make()
        poll = getattr(endpoint, version)
        assert poll("tasks/get", {"taskId": task_id}).result["status"] == "working"
        error = poll("tasks/get", {"taskId": task_id}).error
        assert error["code"] == -32603
        assert "wait 1000 ms" in error["message"]
        assert error["data"] == {"reason": "TooManyPolls", "retryAfterMs": 1000}
        assert poll("tasks/get", {"taskId": endpoint.make()}).result["status"] == "working", "another task"


@pytest.mark.parametrize("version", ["old", "new"])
def test_a_body_that_is_too_large_is_refused_with_413(version: str) -> None:
    with serving(Settings(max_body_bytes=10_000)) as small:
        call = {"name": "add", "arguments": {"a": 1, "b": 2, "padding": "x" * 20_000}}
        answer = getattr(small, version)("tools/call", call)
        assert answer.status == 413
        assert answer.error["code"] == -32600
        assert "larger than 10000 bytes" in answer.error["message"]


def test_a_task_takes_256_kib_of_arguments_by_default() -> None:
    mcp: TaskServer[Any] = TaskServer("test", tasks=True)

    @mcp.tool()
    def length(text: str) -> int:
        return len(text)

    with serving(Settings(), mcp) as endpoint:
        call = {"name": "length", "arguments": {"text": "x" * 300_000}, "task": {}}
        error = endpoint.old("tools/call", call).error
        assert error["code"] == -32602
        assert "the limit is 262144" in error["message"]
        assert endpoint.tasks.writes == 0


def test_arguments_that_are_too_large_for_a_task_are_refused_before_anything_exists() -> None:
    with serving(Settings(max_arguments_bytes=100)) as endpoint:
        call = {"name": "add", "arguments": {"a": 1, "b": int("9" * 120)}, "task": {}}
        error = endpoint.old("tools/call", call).error
        assert error["code"] == -32602
        assert "the limit is 100" in error["message"]
        assert endpoint.tasks.writes == 0


PROMPT = ("prompts/get", {"name": "greeting", "arguments": {"who": "x"}})
RESOURCE = ("resources/read", {"uri": "data://all"})


def of_all_kinds() -> TaskServer[Any]:
    mcp: TaskServer[Any] = TaskServer("test", tasks=True)

    @mcp.tool()
    def add(a: int, b: int) -> int:
        return a + b

    @mcp.prompt()
    def greeting(who: str) -> str:
        return who

    @mcp.resource("data://all")
    def everything() -> str:
        return "all"

    return mcp


@pytest.mark.parametrize(("method", "params"), [("tools/call", CALL), PROMPT, RESOURCE])
def test_a_task_takes_64_kib_of_other_things_by_default(method: str, params: dict[str, Any]) -> None:
    with serving(Settings(), of_all_kinds()) as endpoint:
        meta: JsonObject = {"x": [{}] * 30_000}
        error = endpoint.old(method, {**params, "task": {}, "_meta": meta}).error
        assert error["code"] == -32602
        assert "the limit is 65536" in error["message"]
        assert "_meta" in error["message"]
        if method == "tools/call":
            assert endpoint.new(method, {**params, "_meta": meta}).error["code"] == -32602
        assert endpoint.tasks.writes == 0


@pytest.mark.parametrize("version", ["old", "new"])
def test_one_caller_keeps_only_so_many_tasks_ended_ones_included(version: str) -> None:
    with serving(Settings(max_kept_tasks_per_caller=2)) as endpoint:
        for task_id in (endpoint.make(), endpoint.make()):
            endpoint.old("tasks/cancel", {"taskId": task_id})
        call = {**CALL, "task": {}} if version == "old" else CALL
        error = getattr(endpoint, version)("tools/call", call).error
        assert error["code"] == -32603
        assert "You have 2 tasks here, ended ones included; the limit is 2" in error["message"]
        assert "shorter ttl" in error["message"]
        assert (error["data"]["reason"], error["data"]["limit"]) == ("TooMuchKept", 2)
        assert 0 < error["data"]["retryAfterMs"] <= 3_600_000
        endpoint.service.cache._forget(("default", task_id))
        endpoint.make()


@pytest.mark.parametrize("version", ["old", "new"])
def test_one_caller_keeps_only_so_many_bytes_results_included(version: str) -> None:
    with serving(Settings(max_kept_bytes_per_caller=20_000)) as endpoint:
        endpoint.complete(endpoint.make(), {"content": [{"type": "text", "text": "x" * 30_000}]})
        call = {**CALL, "task": {}} if version == "old" else CALL
        error = getattr(endpoint, version)("tools/call", call).error
        assert "bytes here, ended ones included; the limit is 20000" in error["message"]
        assert error["data"]["reason"] == "TooMuchKept"


def test_a_repeated_call_finds_its_task_whatever_its_caller_keeps() -> None:
    with serving(Settings(max_kept_tasks_per_caller=1)) as endpoint:
        keyed = {**CALL, "task": {}, "_meta": {"mcptasks.dev/idempotency-key": str(uuid.uuid4())}}
        task_id = endpoint.old("tools/call", keyed).result["task"]["taskId"]
        endpoint.old("tasks/cancel", {"taskId": task_id})
        assert endpoint.old("tools/call", keyed).result["task"]["taskId"] == task_id
        assert endpoint.old("tools/call", {**CALL, "task": {}}).error["data"]["reason"] == "TooMuchKept"
