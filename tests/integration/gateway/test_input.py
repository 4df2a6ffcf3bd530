"""A running tool asks its caller: the real runner with the real gateway, the answers as a server writes them."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from mcptasks.kube.task_objects import TaskClient
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import utc_now
from mcptasks.model.questions import Answer, answered
from mcptasks.model.task import McpTask, Phase, Reason, TaskError
from mcptasks.settings import Settings
from tests.integration.gateway.harness import GatewayWorld
from tests.integration.gateway.test_runner import Files, ended, running
from tests.support.fork_server import ForkServer

pytestmark = pytest.mark.anyio

MODULE = dedent("""
    import asyncio
    from typing import Annotated, Any
    from mcp.server.mcpserver import Context
    from mcp.server.mcpserver.resolve import Elicit, Resolve
    from mcp_types import ElicitRequest, ElicitRequestFormParams, InputRequiredResult
    from pydantic import BaseModel
    from mcptasks import TaskServer

    mcp = TaskServer("tools")

    class Name(BaseModel):
        name: str

    def who() -> Elicit[Name]:
        return Elicit("Who?", Name)

    @mcp.tool()
    async def awaits(ctx: Context[Any]) -> str:
        first, second = await asyncio.gather(ctx.elicit("First?", Name), ctx.elicit("Second?", Name))
        return f"{first.data.name} and {second.data.name}"

    @mcp.tool()
    def resolves(name: Annotated[Name, Resolve(who)]) -> str:
        return name.name

    @mcp.tool()
    async def returns(ctx: Context[Any]) -> str | InputRequiredResult:
        if ctx.request_state != "asked":
            form = ElicitRequestFormParams(message="Which?", requested_schema={"type": "object", "properties": {}})
            return InputRequiredResult(input_requests={"q": ElicitRequest(params=form)}, request_state="asked")
        return ctx.input_responses["q"].content["name"]
""")

ABLE: JsonObject = {"elicitation": {}}


@pytest.fixture
def files(tmp_path: Path, forks: ForkServer) -> Files:
    class Asking(Files):
        def prepare(self, token: str) -> dict[str, str]:
            environment = super().prepare(token)
            (self.folder / "tools.py").write_text(MODULE)
            return environment

    return Asking(tmp_path, forks)


async def submit(
    world: GatewayWorld, tool: str, version: str = "2026-07-28", able: JsonObject | None = None
) -> JsonObject:
    request: dict[str, Any] = {"protocolVersion": version}
    if version == "2026-07-28":
        request["clientCapabilities"] = ABLE if able is None else able
    return await world.submit(component={"kind": "tool", "name": tool}, inputTimeoutSeconds=600, request=request)


async def asks(world: GatewayWorld, task: JsonObject, count: int) -> McpTask:
    known = await world.until(task, lambda known: len(known.status.input_requests or ()) >= count)
    assert known.phase is Phase.INPUT_REQUIRED
    return known


async def answer(world: GatewayWorld, task: JsonObject, given: dict[str, Answer]) -> None:
    client = TaskClient(world.kube)
    known = await client.get(world.namespace, task["metadata"]["name"])
    await client.update_status(known, lambda task: answered(task, given, utc_now()))


def named(name: str) -> Answer:
    return Answer(json.dumps({"action": "accept", "content": {"name": name}}))


@pytest.mark.parametrize(
    ("tool", "question", "version"),
    [
        ("resolves", "Who?", "2025-11-25"),
        ("resolves", "Who?", "2026-07-28"),
        ("returns", "Which?", "2026-07-28"),
    ],
)
async def test_questions_of_either_style_get_their_answer(
    world: GatewayWorld, files: Files, tool: str, question: str, version: str
) -> None:
    task = await submit(world, tool, version)
    async with world.served(Settings()) as url, running(world, task, files, url) as process:
        (asked,) = (await asks(world, task, 1)).status.input_requests or []
        assert (asked.key, asked.method, asked.message) == ("1-1", "elicitation/create", question)
        await answer(world, task, {asked.key: named("Ada")})
        code, log = await ended(process)
    known = await world.task(task)
    assert (code, known.phase) == (0, Phase.COMPLETED), log
    assert known.status.result is not None
    assert "Ada" in (known.status.result.text or "")
    assert known.status.input_requests is None


async def test_two_questions_at_once_are_answered_one_after_the_other(world: GatewayWorld, files: Files) -> None:
    task = await submit(world, "awaits")
    async with world.served(Settings()) as url, running(world, task, files, url) as process:
        requests = {r.message: r.key for r in (await asks(world, task, 2)).status.input_requests or ()}
        await answer(world, task, {requests["Second?"]: named("Ben")})
        assert (await world.task(task)).phase is Phase.INPUT_REQUIRED
        await answer(world, task, {requests["First?"]: named("Ada")})
        code, log = await ended(process)
    known = await world.task(task)
    assert (code, known.phase) == (0, Phase.COMPLETED), log
    assert known.status.result is not None
    assert "Ada and Ben" in (known.status.result.text or "")


async def test_a_client_that_refuses_ends_the_call_with_its_error(world: GatewayWorld, files: Files) -> None:
    task = await submit(world, "awaits")
    async with world.served(Settings()) as url, running(world, task, files, url) as process:
        requests = (await asks(world, task, 2)).status.input_requests or []
        refusal = Answer(error=TaskError(code=-32601, message="Method not found"))
        await answer(world, task, {requests[0].key: refusal})
        await ended(process)
    known = await world.task(task)
    assert known.status.error is not None
    assert (known.status.error.code, known.status.error.message) == (-32601, "Method not found")


async def test_a_client_that_has_not_declared_it_is_not_asked(world: GatewayWorld, files: Files) -> None:
    task = await submit(world, "awaits", able={})
    async with world.served(Settings()) as url, running(world, task, files, url) as process:
        await ended(process)
    known = await world.task(task)
    assert known.status.error is not None
    assert (known.phase, known.status.error.code) == (Phase.FAILED, -32021)


async def test_a_question_that_nobody_answers_ends_the_task(world: GatewayWorld, files: Files) -> None:
    task = await world.submit(
        component={"kind": "tool", "name": "awaits"},
        inputTimeoutSeconds=1,
        request={"protocolVersion": "2025-11-25"},
    )
    async with world.served(Settings()) as url, running(world, task, files, url) as process:
        code, log = await ended(process)
    known = await world.task(task)
    assert (code, known.phase, known.status.reason) == (0, Phase.FAILED, Reason.INPUT_TIMEOUT), log


async def test_a_cancel_ends_the_wait_at_once(world: GatewayWorld, files: Files) -> None:
    task = await submit(world, "awaits")
    async with world.served(Settings()) as url, running(world, task, files, url) as process:
        await asks(world, task, 2)
        await world.cancel(task)
        code, _ = await ended(process)
    assert (code, (await world.task(task)).phase) == (0, Phase.CANCELLED)
