"""A server and a client that use the public names as a program would; `make public-types` checks their types."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, assert_type

from pydantic import BaseModel

from mcptasks import (
    Caller,
    Context,
    CurrentAccessToken,
    CurrentContext,
    CurrentHeaders,
    CurrentTask,
    Depends,
    File,
    Progress,
    Shared,
    TaskConfig,
    TaskInfo,
    TaskServer,
    TokenClaim,
    progress,
)
from mcptasks.client import (
    CallProgress,
    Client,
    Elicitation,
    PromptTask,
    Reply,
    ResourceTask,
    SyncClient,
    TaskState,
    ToolResult,
    ToolTask,
)

mcp = TaskServer("typed", tasks=True)


class Answer(BaseModel):
    agreed: bool


class Pool:
    def count(self) -> int:
        return 1


@contextmanager
def pool() -> Iterator[Pool]:
    yield Pool()


@mcp.tool(task=TaskConfig(mode="optional", ttl=timedelta(hours=1), timeout=60, retries=1, without_tasks="wait"))
def count(year: int, db: Pool = Depends(pool), shared: Annotated[Pool, Shared(pool)] = Shared(pool)) -> int:
    progress(1, 2, "half")
    return db.count() + shared.count() + year


@mcp.tool(task=True)
async def ask(
    ctx: Context,
    same: Context = CurrentContext(),
    task: TaskInfo = CurrentTask(),
    steps: Progress = Progress(),
) -> str:
    await steps.set_total(1)
    answer = await ctx.elicit("Go on?", schema=Answer)
    if answer.action == "accept":
        assert_type(answer.data, Answer)
    return task.id or "inline"


@mcp.prompt()
def whose(caller: Caller = CurrentAccessToken(), team: str = TokenClaim("team")) -> str:
    return f"{caller.subject} of {team}"


@mcp.resource("typed://file")
def file(headers: Mapping[str, str] = CurrentHeaders()) -> bytes:
    assert File(data=b"a", format="txt")
    return headers.get("x", "").encode()


def told(report: CallProgress) -> None:
    assert_type(report.message, str | None)


async def reply(question: Elicitation) -> Reply:
    return Reply("accept", {"agreed": bool(question.message)})


async def called(url: str) -> None:
    async with Client(url, on_elicitation=reply) as client:
        result = await client.call_tool("count", {"year": 2026}, on_progress=told)
        assert_type(result, ToolResult)
        assert_type(result.text, str)
        task = await client.call_tool("count", {"year": 2026}, task=True, ttl=timedelta(hours=1))
        assert_type(task, ToolTask)
        assert_type(await task.status(), TaskState)
        assert_type(await task.result(timeout=60), ToolResult)
        assert_type(await client.get_prompt("whose", task=True), PromptTask)
        assert_type(await client.read_resource("typed://file", task=True), ResourceTask)


def called_without_a_loop(url: str) -> str:
    with SyncClient(url) as client:
        return client.call_tool("count", {"year": 2026}).text


if __name__ == "__main__":
    asyncio.run(called("http://127.0.0.1:8000/mcp"))
