"""The examples, called by the client in both protocol versions, on the embedded cluster."""

from __future__ import annotations

import base64
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcptasks.client import CallProgress, Client, Elicitation, SyncClient, TaskCancelledError, TaskState
from mcptasks.dev.stack import LocalStack, StackConfig
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Phase
from mcptasks.protocol.versions import ProtocolChoice
from tests.support.moved_programs import ANSWERS, EXAMPLES, USES, answer
from tests.support.readme import README

pytestmark = pytest.mark.anyio

SECONDS = 120

ORDERS = "number,day,customer,cents\n1,2026-01-05,Ada,500\n2,2026-01-09,Bob,900\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all examples: some keep a database beside them."""
    return Path(shutil.copytree(EXAMPLES, tmp_path_factory.mktemp("copy") / "examples"))


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """All of them, served as one."""
    modules = [*folder.glob("*.py"), *folder.glob("from_fastmcp/*/after.py")]
    with LocalStack(StackConfig(",".join(str(path) for path in sorted(modules)))) as stack:
        yield stack.endpoint


async def test_a_cpu_bound_tool_reports_progress_and_a_result(url: str, protocol: ProtocolChoice) -> None:
    reports: list[CallProgress] = []
    seen: list[TaskState] = []
    async with Client(url, protocol=protocol) as client:
        task = await client.call_tool("largest_gap", {"limit": 3_000_000}, task=True, on_progress=reports.append)
        assert not task.returned_immediately
        task.on_status_change(seen.append)
        result = await task.result(timeout=SECONDS)
    assert result.data == {"below": 2_010_733, "above": 2_010_881, "size": 148}
    assert reports
    assert seen[-1].status is Phase.COMPLETED


@pytest.mark.long
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


async def test_a_tool_asks_in_the_middle_and_does_what_the_user_says(
    url: str, protocol: ProtocolChoice, tmp_path: Path
) -> None:
    for number, name in enumerate(("old.txt", "copy.txt", "below/again.txt", "other.txt", "short")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("different" if name == "other.txt" else "the same!" if name != "short" else "x")
        os.utime(path, (number, number))
    asked: list[Elicitation] = []

    async def decide(question: Elicitation) -> JsonObject:
        asked.append(question)
        return {"delete": True, "keep": "oldest"}

    async with Client(url, protocol=protocol, on_elicitation=decide) as client:
        task = await client.call_tool("remove_duplicates", {"folder": str(tmp_path)}, task=True)
        result = await task.result(timeout=SECONDS)
    assert [question.message for question in asked] == ["2 copies of 1 files waste 18 bytes. Delete them?"]
    deleted = [str(tmp_path / "below" / "again.txt"), str(tmp_path / "copy.txt")]
    assert result.data == {"copies": 2, "wasted_bytes": 18, "deleted": deleted}
    assert [(tmp_path / name).exists() for name in ("old.txt", "other.txt", "copy.txt")] == [True, True, False]


@pytest.mark.long
async def test_orders_are_kept_in_a_database_all_or_none(url: str, folder: Path, protocol: ProtocolChoice) -> None:
    (folder / "orders.db").unlink(missing_ok=True)
    orders = "number,day,customer,cents\n1,2026-01-05,Ada,500\n2,2026-01-09,Bob,900\n3,2026-03-01,Ada,100\n"
    async with Client(url, protocol=protocol) as client:
        task = await client.call_tool("import_orders", {"csv": orders}, task=True)
        assert (await task.result(timeout=SECONDS)).data == 3
        wrong = await client.call_tool(
            "import_orders", {"csv": "number,day,customer,cents\n4,2026-04-01,Eve,1\n5,?,,\n"}
        )
        assert wrong.is_error
        assert "line 3: day" in wrong.text
        months = await client.call_tool("revenue", {"year": 2026})
    assert months.data == [
        {"month": 1, "orders": 2, "cents": 1400, "best_customer": "Bob"},
        {"month": 3, "orders": 1, "cents": 100, "best_customer": "Ada"},
    ]


@pytest.mark.long
async def test_prompts_and_resources_are_tasks_where_the_version_has_that(url: str, protocol: ProtocolChoice) -> None:
    async with Client(url, protocol=protocol) as client:
        page = await client.read_resource("handbook://heapq", task=True)
        prompt = await client.get_prompt("explain", {"module": "heapq", "question": "Is it stable?"}, task=True)
        assert page.returned_immediately == prompt.returned_immediately == (protocol != "2025-11-25")
        text = (await page.result(timeout=SECONDS)).text
        messages = (await prompt.result(timeout=SECONDS)).messages
        assert "heapq" in (await client.read_resource("handbook://contents")).text
    assert "- `heappush(heap, item)`: Push item onto heap" in text
    assert "`queue`" in text.splitlines()[-1]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert messages[-1]["content"]["text"] == "Is it stable?"


@pytest.mark.long
@pytest.mark.parametrize("name", USES)
async def test_a_program_that_came_from_fastmcp_answers_as_before(
    url: str, folder: Path, tmp_path: Path, name: str, protocol: ProtocolChoice
) -> None:
    (folder / "from_fastmcp" / "inventory" / "inventory.db").unlink(missing_ok=True)
    async with Client(url, protocol=protocol, on_elicitation=answer) as client:
        assert await USES[name](client, tmp_path) == ANSWERS[name]


ROW = re.compile(r"^\| .*\(examples/\w+\.py\).* \| `([^`]+)` \| `([^`]+)`", re.MULTILINE)
"""A row of the README's gallery: what is called, and what is printed."""


@pytest.mark.long
@pytest.mark.parametrize(("call", "printed"), ROW.findall(README))
def test_the_gallery_shows_what_is_printed(url: str, folder: Path, tmp_path: Path, call: str, printed: str) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("x" * 100)
    (folder / "orders.db").unlink(missing_ok=True)
    with SyncClient(url) as client:
        client.call_tool("import_orders", {"csv": ORDERS})
    words = shlex.split(call.replace("FOLDER", str(tmp_path)))
    answers = ["--answer", "delete=false"] if words[0] == "remove_duplicates" else []
    command = [sys.executable, "-m", "mcptasks", "call", url, *words, *answers]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    assert "".join(printed.split()) in "".join((done.stdout + done.stderr).split())


def test_the_gallery_has_every_program() -> None:
    assert len(ROW.findall(README)) == len(list(EXAMPLES.glob("*.py"))) - 1, "all but the handbook, which has no tools"
    assert [path.name for path in EXAMPLES.glob("*.py") if f"(examples/{path.name})" not in README] == []
