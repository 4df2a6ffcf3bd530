"""Progress reaches everybody who watches, and is written once a second at most, however often a tool reports it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mcptasks.dev.stack import LocalStack, StackConfig
from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.kube.task_objects import parse_task
from mcptasks.model.task import McpTask
from tests.support.kubectl import Kubectl
from tests.support.mcp import McpAnswer, RawClient

pytestmark = pytest.mark.anyio

INTERVAL = timedelta(seconds=1)
WRITES = 5
SECONDS = 120


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with LocalStack(StackConfig(str(Path(__file__).with_name("progress_tools.py")))) as running:
        yield running


@pytest.fixture
async def kube(stack: LocalStack) -> AsyncIterator[KubeClient]:
    async with await ClusterAccess(stack.kubeconfig).connect("tests") as client:
        yield client


async def versions(kube: KubeClient, stack: LocalStack, task_id: str) -> AsyncIterator[McpTask]:
    """The task as the API server has it, after each write, until it has ended."""
    listed = await kube.list(MCP_TASKS, stack.namespace)
    async for event in kube.watch(MCP_TASKS, stack.namespace, resource_version=listed.resource_version):
        if event.object["metadata"]["name"] == task_id:
            task = parse_task(event.object)
            yield task
            if task.terminal:
                return


@pytest.mark.parametrize("tool", ["by_function", "by_dependency", "by_context"])
async def test_progress_reaches_all_who_watch_and_is_written_once_a_second_at_most(
    stack: LocalStack, kube: KubeClient, tmp_path: Path, tool: str
) -> None:
    client, kubectl = RawClient(stack.endpoint, timeout=SECONDS), Kubectl(stack.kubeconfig, stack.namespace)
    end = tmp_path / "end"
    call = {"name": tool, "arguments": {"until": str(end)}, "task": {}, "_meta": {"progressToken": "token"}}
    task_id = client.old("tools/call", call).result["task"]["taskId"]
    waiting = asyncio.create_task(asyncio.to_thread(client.old, "tasks/result", {"taskId": task_id}))

    written: list[McpTask] = []
    async with asyncio.timeout(SECONDS):
        async for task in versions(kube, stack, task_id):
            if task.status.progress is None or (written and task.status.progress == written[-1].status.progress):
                continue
            written.append(task)
            if len(written) == WRITES:
                seen = await asyncio.to_thread(client.get, task_id)
                table = await asyncio.to_thread(kubectl.run, "get", "mcptask", task_id)
                end.touch()
        answer = await waiting

    assert all(re.fullmatch(r"at \d+", task.status.message or "") for task in written if not task.terminal)
    assert re.fullmatch(r"at \d+", seen["statusMessage"])
    assert re.search(r"0% \(\d+/1000000\)", table)
    _assert_told(answer)

    reports = answer.result["structuredContent"]["result"]
    last = written[-1].status.progress
    assert last is not None
    assert last.current == reports, "the last report is not lost"
    # The write that ends the task carries the last report with it; it waits for nobody's turn. A write takes its time,
    # and tells the moment in the middle of it: hence one more than there are intervals, besides the first.
    times = [_written_at(task) for task in written if not task.terminal]
    assert len(times) >= WRITES
    assert len(times) - 2 <= (times[-1] - times[0]) / INTERVAL
    assert reports > 2 * len(written), "or the tool itself was that slow, and this shows nothing"


def _written_at(task: McpTask) -> datetime:
    assert task.status.last_updated_at is not None
    return task.status.last_updated_at


def _assert_told(answer: McpAnswer) -> None:
    """The stream of `tasks/result` had progress for the caller's token, each time more of it."""
    told = [message["params"] for message in answer.messages if message.get("method") == "notifications/progress"]
    assert {params["progressToken"] for params in told} == {"token"}
    current = [params["progress"] for params in told]
    assert len(current) >= 2
    assert current == sorted(set(current))
    assert {params["total"] for params in told} == {1_000_000}
