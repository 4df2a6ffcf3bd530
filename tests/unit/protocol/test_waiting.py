"""How many calls of one caller, and of all, may wait for tasks at one replica: over raw HTTP, in both versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from mcptasks import TaskConfig, TaskServer
from mcptasks.model.task import Phase, Reason
from mcptasks.settings import Settings
from tests.support.mcp import Stream
from tests.support.polling import eventually
from tests.unit.protocol.conftest import Endpoint, serving

CALL = {"arguments": {"a": 1}}
OF_ONE = {"reason": "TooManyWaitingCalls", "limit": 2, "of": "caller"}


def server() -> TaskServer[Any]:
    mcp: TaskServer[Any] = TaskServer("test", tasks=True)

    def answer(a: int) -> int:
        """Never runs here: its calls become tasks."""
        return a

    configs = {"waits": TaskConfig(without_tasks="wait"), "quick": TaskConfig(answer_within=60), "must": TaskConfig()}
    for name, config in configs.items():
        mcp.add_tool(answer, name, task=config)
    return mcp


@contextmanager
def waiting(endpoint: Endpoint, count: int, *calls: Callable[[], Any]) -> Iterator[list[Stream]]:
    """The calls, once all of them wait."""
    with ExitStack() as stack:
        streams = [stack.enter_context(call()) for call in calls]
        eventually("all of them wait", lambda: endpoint.service.cache.waiting >= count)
        yield streams


@pytest.mark.parametrize("limit", ["max_waiting_calls_per_caller", "max_waiting_calls"])
def test_one_caller_has_only_so_many_calls_that_wait(limit: str) -> None:
    with serving(Settings.model_validate({limit: 2}), server()) as endpoint:
        task_id = endpoint.create("must", {"a": 1})
        results = [lambda: endpoint.old_stream("tasks/result", {"taskId": task_id})] * 2
        with waiting(endpoint, 2, *results) as streams:
            error = endpoint.old("tasks/result", {"taskId": task_id}).error
            assert error["code"] == -32603
            assert "waiting for tasks here as allowed (2)" in error["message"]
            assert "tasks/get" in error["message"]
            assert error["data"] == OF_ONE | {"of": "server" if limit == "max_waiting_calls" else "caller"}
            assert endpoint.old("tasks/get", {"taskId": task_id}).result["status"] == "working"
            endpoint.complete(task_id)
            assert all("result" in stream.rest()[-1] for stream in streams)
        assert "content" in endpoint.old("tasks/result", {"taskId": task_id}).result


@pytest.mark.parametrize("version", ["old", "new"])
def test_a_call_that_could_not_wait_makes_no_task(version: str) -> None:
    with serving(Settings(max_waiting_calls_per_caller=2), server()) as endpoint:
        task_id = endpoint.create("must", {"a": 1})
        results = [lambda: endpoint.old_stream("tasks/result", {"taskId": task_id})] * 2
        with waiting(endpoint, 2, *results):
            writes, call = endpoint.tasks.writes, {"name": "waits", **CALL}
            answer = (
                endpoint.old("tools/call", call)
                if version == "old"
                else endpoint.new("tools/call", call, extension=False)
            )
            assert answer.error["data"] == OF_ONE
            assert endpoint.tasks.writes == writes
            endpoint.complete(task_id)


def test_a_call_that_waits_counts_itself() -> None:
    with serving(Settings(max_waiting_calls_per_caller=2), server()) as endpoint:
        calls = [lambda: endpoint.old_stream("tools/call", {"name": "waits", **CALL})] * 2
        with waiting(endpoint, 2, *calls):
            assert endpoint.old("tools/call", {"name": "waits", **CALL}).error["data"] == OF_ONE
            for task_id in list(endpoint.tasks.items):
                endpoint.fail(task_id, Reason.TOOL_ERROR, "over")


def test_a_call_that_may_be_answered_soon_is_answered_with_its_task_at_once() -> None:
    with serving(Settings(max_waiting_calls_per_caller=1), server()) as endpoint:
        task_id = endpoint.create("must", {"a": 1})
        with waiting(endpoint, 1, lambda: endpoint.old_stream("tasks/result", {"taskId": task_id})):
            assert endpoint.new("tools/call", {"name": "quick", **CALL}).result["resultType"] == "task"
            endpoint.complete(task_id)


def test_the_task_tool_that_waits_says_why_it_does_not() -> None:
    with serving(Settings(max_waiting_calls_per_caller=1, task_tools=True), server()) as endpoint:
        task_id = endpoint.create("must", {"a": 1})
        with waiting(endpoint, 1, lambda: endpoint.old_stream("tasks/result", {"taskId": task_id})):
            refused = endpoint.old("tools/call", {"name": "task_result", "arguments": {"task_id": task_id}}).result
            assert refused["isError"]
            assert "waiting for tasks here as allowed (1)" in refused["content"][0]["text"]
            cancelled = endpoint.old("tools/call", {"name": "task_cancel", "arguments": {"task_id": task_id}}).result
            assert cancelled["structuredContent"]["status"] == Phase.CANCELLED.value


def test_a_subscription_counts_once_for_each_of_its_tasks() -> None:
    with serving(Settings(max_waiting_calls_per_caller=3), server()) as endpoint:
        made = [endpoint.create("must", {"a": 1}) for _ in range(4)]
        too_many = endpoint.new("subscriptions/listen", {"notifications": {"taskIds": made}})
        assert too_many.error["data"]["limit"] == 3
        listening = {"notifications": {"taskIds": made[:3]}}
        with waiting(endpoint, 3, lambda: endpoint.stream("subscriptions/listen", listening)):
            refused = endpoint.new("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
            assert refused.error["data"]["reason"] == "TooManyWaitingCalls"
            for task_id in made:
                endpoint.complete(task_id)
