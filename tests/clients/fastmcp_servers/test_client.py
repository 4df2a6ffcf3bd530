"""Our client with servers of FastMCP 3 and 4, each from an environment of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from mcptasks.client import Client, Elicitation, SyncClient, TaskCancelledError, TaskState
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Phase
from tests.clients.__main__ import ENVIRONMENTS, PROGRAMS, PROGRAMS_FOLDER
from tests.clients.fastmcp_servers.server_program import serving
from tests.support.environments import virtual_environment

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

SECONDS = 60


@dataclass(frozen=True)
class Server:
    """A FastMCP server that runs."""

    url: str
    version: str

    @property
    def has_tasks_of_every_kind(self) -> bool:
        """Only the older protocol version lets prompts and resources be tasks, and pushes every change."""
        return self.version == "2025-11-25"


@pytest.fixture(scope="module", params=["fastmcp-3", "fastmcp-4"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    program = next(program for program in PROGRAMS if program.name == request.param)
    python = virtual_environment(ENVIRONMENTS / program.environment, program.packages)
    script = PROGRAMS_FOLDER / f"server_{program.script}"
    with serving([str(python), str(script)], tmp_path_factory.mktemp(request.param)) as url:
        yield Server(url, program.version)


async def test_the_version_is_agreed_on(server: Server) -> None:
    async with Client(server.url) as client:
        assert client.protocol_version == server.version


async def test_a_call_hides_its_task(server: Server) -> None:
    async with Client(server.url) as client:
        result = await client.call_tool("add", {"a": 1, "b": 2})
    assert result.data == 3


async def test_a_task_is_waited_for_and_watched(server: Server) -> None:
    seen: list[TaskState] = []
    async with Client(server.url) as client:
        task = await client.call_tool("steps", {"count": 4}, task=True)
        assert not task.returned_immediately
        task.on_status_change(seen.append)
        assert (await task.wait(timeout=SECONDS)).status is Phase.COMPLETED
        assert (await task).text == "4 steps done"
        assert task.task_id in [state.task_id for state in await client.list_tasks()] or server.has_tasks_of_every_kind
    assert seen[-1].status is Phase.COMPLETED
    assert any((state.message or "").startswith("step") for state in seen)


async def test_a_task_is_resumed_by_another_client(server: Server) -> None:
    async with Client(server.url) as client:
        task_id = (await client.call_tool("steps", {"count": 3}, task=True)).task_id
    async with Client(server.url) as client:
        assert (await client.resume(task_id).result(timeout=SECONDS)).text == "3 steps done"


async def test_a_tool_error_is_a_result(server: Server) -> None:
    async with Client(server.url) as client:
        result = await client.call_tool("fails")
    assert result.is_error
    assert "no disk" in result.text


async def test_a_task_is_cancelled(server: Server) -> None:
    async with Client(server.url) as client:
        task = await client.call_tool("steps", {"count": 1000}, task=True)
        await task.cancel()
        with pytest.raises(TaskCancelledError):
            await task.result(timeout=SECONDS)


async def test_the_question_of_a_task_is_answered(server: Server) -> None:
    asked: list[Elicitation] = []

    async def answer(question: Elicitation) -> JsonObject:
        asked.append(question)
        return {"value": True}

    async with Client(server.url, on_elicitation=answer) as client:
        task = await client.call_tool("confirm", task=True)
        assert (await task.result(timeout=SECONDS)).text == "accept True"
    assert [question.message for question in asked] == ["Delete it?"]


async def test_a_tool_that_is_never_a_task_answers_at_once(server: Server) -> None:
    async with Client(server.url) as client:
        task = await client.call_tool("inline", {"word": "hi"}, task=True)
        assert task.returned_immediately
        assert (await task).text == "hi"


async def test_prompts_and_resources_are_tasks_where_the_version_has_that(server: Server) -> None:
    async with Client(server.url) as client:
        prompt = await client.get_prompt("greet", {"name": "Ada"}, task=True)
        resource = await client.read_resource("text://report", task=True)
        assert prompt.returned_immediately != server.has_tasks_of_every_kind
        assert resource.returned_immediately != server.has_tasks_of_every_kind
        assert (await prompt.result(timeout=SECONDS)).text == "Greet Ada"
        assert (await resource.result(timeout=SECONDS)).text == "all is well"


def test_scripts_need_no_event_loop(server: Server) -> None:
    with SyncClient(server.url) as client:
        assert client.call_tool("add", {"a": 2, "b": 2}).data == 4
