"""The official Python SDK 2.x. It brings no tasks, so this is the extension that its documentation tells to write."""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal

import mcp_types as types
from checks import Checks, expect, main
from mcp import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp.shared.exceptions import MCPError
from pydantic import ConfigDict, Field


class Task(types.Result):
    model_config = ConfigDict(extra="allow")
    task_id: str = Field(alias="taskId")
    status: str
    ttl_ms: int | None = Field(alias="ttlMs")
    poll_interval_ms: int = Field(alias="pollIntervalMs")
    status_message: str | None = Field(None, alias="statusMessage")
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class CreatedTask(Task):
    result_type: Literal["task"] = Field(alias="resultType")


class FoundTask(Task):
    input_requests: dict[str, Any] = Field(default_factory=dict, alias="inputRequests")


class TaskParams(types.RequestParams):
    model_config = ConfigDict(populate_by_name=True)
    task_id: str = Field(serialization_alias="taskId")


class GetTask(types.Request[TaskParams, Literal["tasks/get"]]):
    name_param = "taskId"
    method: Literal["tasks/get"] = "tasks/get"
    params: TaskParams


class CancelTask(types.Request[TaskParams, Literal["tasks/cancel"]]):
    name_param = "taskId"
    method: Literal["tasks/cancel"] = "tasks/cancel"
    params: TaskParams


class UpdateParams(TaskParams):
    input_responses: dict[str, Any] = Field(serialization_alias="inputResponses")


class UpdateTask(types.Request[UpdateParams, Literal["tasks/update"]]):
    name_param = "taskId"
    method: Literal["tasks/update"] = "tasks/update"
    params: UpdateParams


async def answer(_context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
    expect(params.message == "Which word?", params)
    return types.ElicitResult(action="accept", content={"word": "tea"})


async def answered(session: Any, task: FoundTask) -> None:
    """Answer what the task asks."""
    given = {}
    for key, request in task.input_requests.items():
        params = types.ElicitRequestFormParams.model_validate(request["params"])
        given[key] = (await answer(None, params)).model_dump(by_alias=True, mode="json", exclude_none=True)
    if given:
        params = UpdateParams(task_id=task.task_id, input_responses=given)
        await session.send_request(UpdateTask(params=params), types.Result)


async def ended(session: Any, task_id: str) -> Task:
    while True:
        task = await session.send_request(GetTask(params=TaskParams(task_id=task_id)), FoundTask)
        if task.status in ("completed", "failed", "cancelled"):
            return task
        await answered(session, task)
        await asyncio.sleep(task.poll_interval_ms / 1000)


class Tasks(ClientExtension):
    identifier = "io.modelcontextprotocol/tasks"

    def claims(self) -> Sequence[ResultClaim[Any]]:
        return [ResultClaim(result_type="task", model=CreatedTask, resolve=self._resolve)]

    async def _resolve(self, created: CreatedTask, ctx: ClaimContext) -> types.CallToolResult:
        task = await ended(ctx.session, created.task_id)
        if task.result is None:
            error = task.error or {"code": -32603, "message": task.status_message or task.status}
            raise MCPError(code=error["code"], message=error["message"], data=error.get("data"))
        return types.CallToolResult.model_validate(task.result)


async def program(url: str, checks: Checks) -> None:
    asked = Client(url, extensions=[Tasks()], elicitation_callback=answer)
    async with asked as client, Client(url) as bare, Client(url, mode="legacy") as legacy:

        async def created(name: str, arguments: dict[str, Any]) -> CreatedTask:
            answer = await client.session.call_tool(name, arguments, allow_claimed=True)
            expect(isinstance(answer, CreatedTask), answer)
            return answer

        async def announces() -> None:
            expect(client.protocol_version == "2026-07-28", client.protocol_version)
            extensions = client.server_capabilities.extensions or {}
            expect(extensions.get("io.modelcontextprotocol/tasks") == {}, extensions)

        async def as_inline() -> None:
            task = await client.call_tool("add", {"a": 1, "b": 2})
            inline = await bare.call_tool("add", {"a": 1, "b": 2})
            expect(task.structured_content == inline.structured_content == {"total": 3, "terms": [1, 2]}, task)
            expect(task.content == inline.content, task)

        async def progresses() -> None:
            task = await created("steps", {})
            messages = set()
            while True:
                now = await client.session.send_request(GetTask(params=TaskParams(task_id=task.task_id)), Task)
                messages.add(now.status_message)
                if now.status == "completed":
                    break
                await asyncio.sleep(0.1)
            expect(any(message and message.startswith("step ") for message in messages), messages)

        async def answers() -> None:
            result = await client.call_tool("ask", {})
            expect(result.content[0].text == "tea", result)

        async def cancels() -> None:
            task = await created("steps", {"count": 600})
            for _ in range(2):
                await client.session.send_request(CancelTask(params=TaskParams(task_id=task.task_id)), types.Result)
            expect((await ended(client.session, task.task_id)).status == "cancelled")

        async def tool_error() -> None:
            task = await created("refuse", {"message": "no such year"})
            final = await ended(client.session, task.task_id)
            expect(final.status == "completed" and final.result and final.result["isError"], final)

        async def rpc_error() -> None:
            try:
                await client.call_tool("protocol_error", {})
            except MCPError as error:
                expect((error.error.code, error.error.data) == (-32050, {"why": "because"}), error)
            else:
                raise AssertionError("no error")

        async def refuses() -> None:
            for call, code in (
                (bare.call_tool("task_only", {"a": 1}), -32021),
                (client.session.send_request(GetTask(params=TaskParams(task_id="nobody")), Task), -32602),
                (legacy.call_tool("task_only", {"a": 1}), -32601),
            ):
                try:
                    await call
                except MCPError as error:
                    expect(error.error.code == code, error)
                else:
                    raise AssertionError(f"no error {code}")

        async def old_inline() -> None:
            expect(
                (await legacy.call_tool("add", {"a": 1, "b": 2})).structured_content == {"total": 3, "terms": [1, 2]}
            )

        await checks("tasks are announced", announces)
        await checks("a task's result is as inline", as_inline)
        await checks("progress is seen in the task's status", progresses)
        await checks("a question of a task is answered", answers)
        await checks("a task is cancelled, and again", cancels)
        await checks("a tool's own error arrives", tool_error)
        await checks("a JSON-RPC error arrives as it was", rpc_error)
        await checks("mismatches and unknown ids are refused", refuses)
        await checks("inline calls work in the older version", old_inline)


main(program)
