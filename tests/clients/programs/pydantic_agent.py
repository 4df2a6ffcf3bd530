"""Pydantic AI, with a model that is a function; with the package fastmcp-tasks it runs tasks."""

import importlib.util
import json
import sys
from typing import Any

from agent_checks import Calls, check_answers, check_repairs, check_stop
from checks import Checks, expect, main
from fastmcp import Client
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models.function import FunctionModel

HAS_TASKS = importlib.util.find_spec("fastmcp_tasks") is not None


def told(messages: list[ModelMessage]) -> list[str]:
    """What came back of the calls."""
    parts = (part for message in messages if isinstance(message, ModelRequest) for part in message.parts)
    return [json.dumps(part.content) for part in parts if isinstance(part, ToolReturnPart | RetryPromptPart)]


async def answer(*_args: Any) -> dict[str, str]:
    return {"word": "tea"}


async def program(url: str, checks: Checks) -> None:
    (mode,) = sys.argv[2:]

    async def run(calls: Calls) -> list[str]:
        def scripted(messages: list[ModelMessage], _info: Any) -> ModelResponse:
            due = calls[len(told(messages)) :]
            return ModelResponse(parts=[ToolCallPart(*due[0]) if due else TextPart("done")])

        toolset: MCPToolset[Any] = MCPToolset(Client(url, mode=mode, elicitation_handler=answer))
        async with Agent(FunctionModel(scripted), toolsets=[toolset]) as agent:
            return told((await agent.run("go on")).all_messages())

    async def required() -> None:
        (answer,) = await run([("task_only", {"a": 7})])
        if HAS_TASKS:
            expect(answer == "7", answer)
        else:
            expect("runs only as a task" in answer, answer)

    async def asks() -> None:
        (answer,) = await run([("ask", {})])
        expect(("tea" if HAS_TASKS else "elicitation") in answer, answer)

    await check_answers(checks, run)
    await check_repairs(checks, run)
    if HAS_TASKS:
        await checks("a question of a task is answered", asks)
        await checks("a required tool answers, as a task", required)
    else:
        await check_stop(checks, run)
        await checks("the model is told that nobody can be asked", asks)
        await checks("the model is told that a required tool runs only as a task", required)


main(program)
