"""The examples, called by the client in both protocol versions, on the embedded cluster."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcptasks.client import Client, Progress, SyncClient, TaskCancelledError, TaskState
from mcptasks.local.stack import LocalStack, StackConfig
from mcptasks.resources import Phase
from mcptasks.wire.versions import PROTOCOLS, ProtocolChoice

pytestmark = pytest.mark.anyio

SERVER = Path(__file__).parent / "server.py"
SECONDS = 120


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with LocalStack(StackConfig(str(SERVER))) as stack:
        yield stack.endpoint


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> ProtocolChoice:
    choice: ProtocolChoice = request.param
    return choice


async def test_a_cpu_bound_tool_reports_progress_and_a_result(url: str, protocol: ProtocolChoice) -> None:
    reports: list[Progress] = []
    seen: list[TaskState] = []
    async with Client(url, protocol=protocol) as client:
        task = await client.call_tool("largest_gap", {"limit": 3_000_000}, task=True, on_progress=reports.append)
        assert not task.returned_immediately
        task.on_status_change(seen.append)
        result = await task.result(timeout=SECONDS)
    assert result.data == {"below": 2_010_733, "above": 2_010_881, "size": 148}
    assert reports
    assert seen[-1].status is Phase.COMPLETED


async def test_a_cpu_bound_tool_ends_when_it_is_cancelled(url: str, protocol: ProtocolChoice) -> None:
    async with Client(url, protocol=protocol) as client:
        task_id = (await client.call_tool("largest_gap", {"limit": 10**10}, task=True)).task_id
    async with Client(url, protocol=protocol) as client:
        task = client.resume(task_id)
        await task.cancel()
        with pytest.raises(TaskCancelledError):
            await task.result(timeout=SECONDS)
        assert task_id in [state.task_id for state in await client.list_tasks()]


async def test_a_plot_is_an_image(url: str, protocol: ProtocolChoice) -> None:
    async with Client(url, protocol=protocol) as client:
        result = await client.call_tool("lissajous", {"x": 3, "y": 4})
    block = result.content[0]
    assert (block["type"], block["mimeType"]) == ("image", "image/png")
    assert base64.b64decode(block["data"]).startswith(b"\x89PNG\r\n\x1a\n")


def test_a_script_needs_no_event_loop(url: str) -> None:
    with SyncClient(url) as client:
        assert client.call_tool("largest_gap", {"limit": 100}).data == {"below": 89, "above": 97, "size": 8}
