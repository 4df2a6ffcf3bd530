"""The OpenAI Agents SDK, with a model that is a script."""

import json
from typing import Any

from agent_checks import Calls, check_answers, check_repairs, check_stop
from agents import Agent, Model, ModelResponse, Runner, Usage, set_tracing_disabled
from agents.mcp import MCPServerStreamableHttp
from checks import Checks, expect, main
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

SECONDS = 60
"""For a call; what the SDK has by itself, five, is too short for tools that take their time."""

GENERIC = "An error occurred while running the tool"


def message(text: str) -> ResponseOutputMessage:
    content = ResponseOutputText(text=text, type="output_text", annotations=[])
    return ResponseOutputMessage(id="end", role="assistant", status="completed", type="message", content=[content])


class ScriptedModel(Model):
    """Makes the calls, one after another."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.told: list[str] = []

    async def get_response(self, *_args: Any, input: Any, **_options: Any) -> ModelResponse:  # noqa: A002
        items = [] if isinstance(input, str) else input
        self.told = [json.dumps(item["output"]) for item in items if item.get("type") == "function_call_output"]
        done = len(self.told)
        output: list[Any] = [
            ResponseFunctionToolCall(call_id=str(done), name=name, arguments=json.dumps(given), type="function_call")
            for name, given in self.calls[done : done + 1]
        ]
        return ModelResponse(output=output or [message("done")], usage=Usage(), response_id=None)

    def stream_response(self, *_args: Any, **_options: Any) -> Any:
        raise NotImplementedError


async def program(url: str, checks: Checks) -> None:
    set_tracing_disabled(True)

    async def run(calls: Calls) -> list[str]:
        model = ScriptedModel(calls)
        async with MCPServerStreamableHttp({"url": url}, client_session_timeout_seconds=SECONDS) as server:
            await Runner.run(Agent(name="checks", mcp_servers=[server], model=model), "go on")
        return model.told

    async def asks() -> None:
        (told,) = await run([("ask", {})])
        expect(GENERIC in told, told)

    async def required() -> None:
        (told,) = await run([("task_only", {"a": 1})])
        expect(GENERIC in told, told)

    await check_answers(checks, run)
    await check_repairs(checks, run)
    await check_stop(checks, run)
    await checks("of a question the model learns only that there was an error", asks)
    await checks("of a required tool the model learns only that there was an error", required)


main(program)
