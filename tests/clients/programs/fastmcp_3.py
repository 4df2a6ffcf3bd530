"""The FastMCP 3 client, `task=True`."""

from checks import Checks, eventually, expect, main, raises
from fastmcp import Client
from fastmcp.exceptions import ToolError
from mcp.shared.exceptions import McpError


async def program(url: str, checks: Checks) -> None:
    async with Client(url) as client:

        async def as_inline() -> None:
            task = await client.call_tool("add", {"a": 1, "b": 2}, task=True)
            expect(not task.returned_immediately and task.task_id)
            result = await task.result()
            inline = await client.call_tool("add", {"a": 1, "b": 2})
            expect(result.structured_content == inline.structured_content == {"total": 3, "terms": [1, 2]}, result)

        async def waits() -> None:
            task = await client.call_tool("steps", {}, task=True)
            expect((await task.status()).status == "working")
            expect((await task.wait(timeout=50)).status == "completed")
            result = await task.result()
            expect(result.content[0].text == "3 steps done", result)

        async def lists() -> None:
            task = await client.call_tool("add", {"a": 1, "b": 2}, task=True)

            async def listed() -> bool:
                return task.task_id in [item["taskId"] for item in (await client.list_tasks())["tasks"]]

            await eventually(listed)

        async def cancels() -> None:
            task = await client.call_tool("steps", {"count": 600}, task=True)
            await task.cancel()
            expect((await task.status()).status == "cancelled")

        async def tool_error() -> None:
            task = await client.call_tool("refuse", {"message": "no such year"}, task=True)
            await raises(ToolError, "no such year", task.result())

        async def rpc_error() -> None:
            task = await client.call_tool("protocol_error", {}, task=True)
            await raises(McpError, "not like this", task.result())

        async def refuses() -> None:
            await raises(McpError, "only as a task", client.call_tool("task_only", {"a": 1}))
            await raises(McpError, "does not run as a task", client.call_tool("inline_only", {"a": 1}, task=True))

        await checks("a task's result is as inline", as_inline)
        await checks("a task is waited for", waits)
        await checks("tasks are listed", lists)
        await checks("a task is cancelled", cancels)
        await checks("a tool's own error arrives", tool_error)
        await checks("a JSON-RPC error arrives as it was", rpc_error)
        await checks("mismatches are refused", refuses)


main(program)
