"""The FastMCP 4 client with fastmcp-tasks."""

from typing import Any

# Imported first: a client that is made before does not opt in to tasks.
import fastmcp_tasks  # noqa: F401
from checks import Checks, expect, main
from fastmcp import Client
from fastmcp.exceptions import ToolError
from fastmcp_tasks.client import call_tool_task


async def program(url: str, checks: Checks) -> None:
    async with Client(url) as client:

        async def transparent() -> None:
            result = await client.call_tool("add", {"a": 1, "b": 2})
            expect(result.structured_content == {"total": 3, "terms": [1, 2]}, result)

        async def handle() -> None:
            task = await call_tool_task(client, "steps", {})
            expect((await task.status()).status == "working")
            expect((await task.wait(timeout=50)).status == "completed")
            expect((await task.result()).data == "3 steps done")

        async def required() -> None:
            expect((await client.call_tool("task_only", {"a": 5})).data == 5)
            expect((await client.call_tool("inline_only", {"a": 5})).data == 5)

        async def cancels() -> None:
            task = await call_tool_task(client, "steps", {"count": 600})
            await task.cancel()
            expect((await task.wait(timeout=50)).status == "cancelled")

        async def raises(text: str, call: Any) -> None:
            try:
                result = await call
            except ToolError as error:
                expect(text in str(error), error)
            else:
                raise AssertionError(f"no error but {result!r}")

        async def tool_error() -> None:
            task = await call_tool_task(client, "refuse", {"message": "no such year"})
            expect((await task.wait(timeout=50)).status == "completed")
            await raises("no such year", task.result())

        async def rpc_error() -> None:
            await raises("not like this", client.call_tool("protocol_error", {}))

        await checks("a call is a task and looks like none", transparent)
        await checks("a task is waited for", handle)
        await checks("required and inline tools both answer", required)
        await checks("a task is cancelled", cancels)
        await checks("a tool's own error arrives", tool_error)
        await checks("a JSON-RPC error arrives", rpc_error)


main(program)
