"""The official Python SDK 1.x, by its experimental tasks API."""

from typing import Any

from checks import Checks, eventually, expect, main
from mcp import ClientSession, types
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import McpError


async def program(url: str, checks: Checks) -> None:
    seen: list[Any] = []

    async def remember(message: Any) -> None:
        seen.append(getattr(message, "root", message))

    async def answer(_context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        expect(params.message == "Which word?", params)
        return types.ElicitResult(action="accept", content={"word": "tea"})

    async with (
        streamable_http_client(url) as (read, write, _),
        ClientSession(read, write, message_handler=remember, elicitation_callback=answer) as session,
    ):
        await session.initialize()
        tasks = session.experimental

        async def code_of(call: Any) -> int:
            try:
                result = await call
            except McpError as error:
                return error.error.code
            raise AssertionError(f"no error but {result!r}")

        async def announces() -> None:
            capabilities = session.get_server_capabilities()
            offered = capabilities.tasks if capabilities else None
            expect(offered and offered.requests and offered.requests.tools and offered.requests.tools.call is not None)
            expect(offered.list is not None and offered.cancel is not None, offered)
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            support = {name: tool.execution and tool.execution.taskSupport for name, tool in tools.items()}
            expect(support["add"] == "optional" and support["task_only"] == "required", support)
            expect(support["inline_only"] in (None, "forbidden"), support)

        async def polls() -> None:
            created = await tasks.call_tool_as_task("add", {"a": 1, "b": 2}, ttl=60_000)
            expect(created.task.status == "working" and created.task.ttl == 60_000, created)
            states = [state async for state in tasks.poll_task(created.task.taskId)]
            expect(states[-1].status == "completed", states)
            result = await tasks.get_task_result(created.task.taskId, types.CallToolResult)
            inline = await session.call_tool("add", {"a": 1, "b": 2})
            expect(result.structuredContent == inline.structuredContent == {"total": 3, "terms": [1, 2]}, result)
            expect(result.content == inline.content, result)
            related = (result.meta or {}).get("io.modelcontextprotocol/related-task")
            expect(related == {"taskId": created.task.taskId}, result.meta)

        async def waits() -> None:
            created = await tasks.call_tool_as_task("steps", meta={"progressToken": "token"})
            result = await tasks.get_task_result(created.task.taskId, types.CallToolResult)
            expect(result.content[0].text == "3 steps done", result)

        async def answers() -> None:
            created = await tasks.call_tool_as_task("ask")
            async for state in tasks.poll_task(created.task.taskId):
                if state.status == "input_required":
                    break
            result = await tasks.get_task_result(created.task.taskId, types.CallToolResult)
            expect(result.content[0].text == "tea", result)

        async def hears() -> None:
            notes = [type(message).__name__ for message in seen]
            expect("TaskStatusNotification" in notes, notes)
            progress = [message.params for message in seen if isinstance(message, types.ProgressNotification)]
            expect(progress and progress[-1].progressToken == "token", notes)

        async def lists() -> None:
            created = await tasks.call_tool_as_task("add", {"a": 1, "b": 2})

            async def listed() -> bool:
                return created.task.taskId in [task.taskId for task in (await tasks.list_tasks()).tasks]

            await eventually(listed)

        async def cancels() -> None:
            created = await tasks.call_tool_as_task("steps", {"count": 600})
            cancelled = await tasks.cancel_task(created.task.taskId)
            expect(cancelled.status == "cancelled", cancelled)
            expect(await code_of(tasks.cancel_task(created.task.taskId)) == -32602)

        async def tool_error() -> None:
            created = await tasks.call_tool_as_task("refuse", {"message": "no such year"})
            states = [state async for state in tasks.poll_task(created.task.taskId)]
            expect(states[-1].status == "failed" and "no such year" in (states[-1].statusMessage or ""), states[-1])
            result = await tasks.get_task_result(created.task.taskId, types.CallToolResult)
            expect(result.isError and "no such year" in result.content[0].text, result)

        async def rpc_error() -> None:
            created = await tasks.call_tool_as_task("protocol_error")
            expect(await code_of(tasks.get_task_result(created.task.taskId, types.CallToolResult)) == -32050)

        async def refuses() -> None:
            expect(await code_of(session.call_tool("task_only", {"a": 1})) == -32601)
            expect(await code_of(tasks.call_tool_as_task("inline_only", {"a": 1})) == -32601)
            expect(await code_of(tasks.get_task("nobody")) == -32602)

        await checks("tasks are announced", announces)
        await checks("a task is polled to its result, which is as inline", polls)
        await checks("a result is waited for", waits)
        await checks("progress and status arrive while waiting", hears)
        await checks("a question of a task is answered while waiting", answers)
        await checks("tasks are listed", lists)
        await checks("a task is cancelled, once", cancels)
        await checks("a tool's own error arrives", tool_error)
        await checks("a JSON-RPC error arrives as it was", rpc_error)
        await checks("mismatches and unknown ids are refused", refuses)


main(program)
