"""The FastMCP 4 client with fastmcp-tasks."""

# Imported first: a client that is made before does not opt in to tasks.
import fastmcp_tasks  # noqa: F401
from checks import Checks, expect, main, raises
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
            result = await task.result()
            expect(result.content[0].text == "3 steps done", result)

        async def required() -> None:
            for tool in ("task_only", "inline_only"):
                result = await client.call_tool(tool, {"a": 5})
                expect(result.structured_content == {"result": 5}, result)

        async def cancels() -> None:
            task = await call_tool_task(client, "steps", {"count": 600})
            await task.cancel()
            expect((await task.wait(timeout=50)).status == "cancelled")

        async def tool_error() -> None:
            task = await call_tool_task(client, "refuse", {"message": "no such year"})
            expect((await task.wait(timeout=50)).status == "completed")
            await raises(ToolError, "no such year", task.result())

        async def rpc_error() -> None:
            await raises(ToolError, "not like this", client.call_tool("protocol_error", {}))

        await checks("a call is a task and looks like none", transparent)
        await checks("a task is waited for", handle)
        await checks("required and inline tools both answer", required)
        await checks("a task is cancelled", cancels)
        await checks("a tool's own error arrives", tool_error)
        await checks("a JSON-RPC error arrives", rpc_error)


main(program)
