"""A request reads its task from the API server at most once, and parses each state of it once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import utc_now
from mcptasks.model.questions import asked
from mcptasks.model.task import InputRequest
from mcptasks.settings import Settings
from mcptasks.tasks.cached_tasks import CACHED_RESULT_CHARACTERS
from mcptasks.tasks.service import TaskService
from tests.support.polling import eventually
from tests.unit.protocol.conftest import Endpoint, serving
from tests.unit.protocol.costs import Cost, cost_of

ACCEPT: JsonObject = {"action": "accept", "content": {"ok": True}}
QUESTION = InputRequest(key="1-1", method="elicitation/create", params_text='{"message": "sure?"}', message="sure?")


@pytest.fixture
def alone() -> Iterator[Endpoint]:
    with serving(Settings()) as endpoint:
        yield endpoint


@pytest.mark.parametrize("version", ["old", "new"])
def test_a_poll_costs_one_read_while_the_task_works_and_none_after_its_end(alone: Endpoint, version: str) -> None:
    task_id = alone.make()

    def poll() -> None:
        assert getattr(alone, version)("tasks/get", {"taskId": task_id}).result["taskId"] == task_id

    assert cost_of(alone, poll) == Cost(reads=1, parses=1)
    alone.complete(task_id)
    assert cost_of(alone, poll) == Cost(reads=0, parses=1)


@pytest.mark.parametrize("version", ["old", "new"])
def test_a_cancel_costs_no_read_and_parses_the_task_before_and_after(alone: Endpoint, version: str) -> None:
    task_id = alone.make()
    cancel = getattr(alone, version)
    assert cost_of(alone, lambda: cancel("tasks/cancel", {"taskId": task_id}).result) == Cost(reads=0, parses=2)
    assert alone.get(task_id)["status"] == "cancelled"


@pytest.mark.parametrize("version", ["old", "new"])
def test_an_answer_costs_one_read_and_one_parse(alone: Endpoint, version: str) -> None:
    task_id = alone.make("ask")
    alone.change(task_id, lambda task: asked(task, [QUESTION], utc_now()))
    assert cost_of(alone, lambda: answer(alone, version, task_id)) == Cost(reads=1, parses=1)
    assert alone.get(task_id)["status"] == "working"


@pytest.mark.parametrize("version", ["old", "new"])
def test_an_ended_tasks_result_costs_no_read_and_one_parse(alone: Endpoint, version: str) -> None:
    task_id = alone.make()
    alone.complete(task_id)
    assert cost_of(alone, lambda: result(alone, version, task_id)) == Cost(reads=0, parses=1)


@pytest.mark.parametrize("version", ["old", "new"])
def test_a_large_result_is_read_when_it_is_asked_for(alone: Endpoint, version: str) -> None:
    task_id = alone.make()
    alone.complete(task_id, {"content": [{"type": "text", "text": "x" * CACHED_RESULT_CHARACTERS}]})
    assert cost_of(alone, lambda: result(alone, version, task_id)) == Cost(reads=1, parses=1)


def test_a_subscription_reads_each_of_its_tasks_once(alone: Endpoint) -> None:
    wanted = {"notifications": {"taskIds": [alone.make(), alone.make()]}}

    def listen() -> None:
        with alone.stream("subscriptions/listen", wanted) as stream:
            assert [stream.next()["method"] for _ in range(3)][1:] == ["notifications/tasks"] * 2

    assert cost_of(alone, listen).reads == 2


def test_a_tool_that_waits_for_a_result_reads_the_task_once() -> None:
    with serving(Settings(task_tools=True)) as endpoint:
        call = {"name": "task_result", "arguments": {"task_id": endpoint.make(), "wait_seconds": 0}}
        assert cost_of(endpoint, lambda: endpoint.new("tools/call", call, extension=False).result).reads == 1


def test_one_who_waits_reads_once_and_hears_the_rest_from_the_watch(alone: Endpoint) -> None:
    task_id = alone.make()

    def wait() -> None:
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(alone.result, task_id)
            eventually("the call waits", lambda: alone.service.cache.waiting)
            for seen in range(1, 5):
                alone.change(task_id, progressed(seen))
            alone.complete(task_id)
            waiting.result(30)

    assert cost_of(alone, wait).reads == 1


@pytest.mark.parametrize(
    "request_of",
    [
        pytest.param(lambda service, task_id: service.reader.current(task_id, None), id="a read that must be fresh"),
        pytest.param(lambda service, task_id: service.answer(task_id, None, lambda _asked: {}), id="an answer"),
    ],
)
def test_what_must_not_be_old_is_read_once(
    alone: Endpoint, request_of: Callable[[TaskService, str], Awaitable[object]]
) -> None:
    task_id = alone.make()

    async def request() -> None:
        await request_of(alone.service, task_id)

    assert cost_of(alone, lambda: asyncio.run_coroutine_threadsafe(request(), alone.loop).result(10)).reads == 1


def answer(endpoint: Endpoint, version: str, task_id: str) -> None:
    """Answer the task's question."""
    if version == "old":
        assert endpoint.respond(f"task:{task_id}:{QUESTION.key}", {"result": ACCEPT}).status_code == 202
    else:
        update = {"taskId": task_id, "inputResponses": {QUESTION.key: ACCEPT}}
        assert endpoint.new("tasks/update", update).result["resultType"] == "complete"


def result(endpoint: Endpoint, version: str, task_id: str) -> None:
    """Ask for the result of an ended task."""
    if version == "old":
        found = endpoint.result(task_id)
    else:
        found = endpoint.new("tasks/get", {"taskId": task_id}).result["result"]
    assert found["content"]


def progressed(to: int) -> Callable[[object], JsonObject]:
    """A change of the task's status."""
    return lambda _task: {"status": {"progress": {"current": to}}}
