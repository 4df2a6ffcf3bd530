"""LangChain's MCP adapters in a LangGraph agent."""

import json
from typing import Any

from agent_checks import Calls, check_answers, check_repairs, check_stop, ends_with
from checks import Checks, expect, main
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_mcp_adapters.callbacks import Callbacks
from langchain_mcp_adapters.client import MultiServerMCPClient
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from mcp.types import ElicitResult


class ScriptedModel(BaseChatModel):
    """Makes the calls, one after another."""

    calls: Calls

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, messages: list[BaseMessage], *_args: Any, **_options: Any) -> ChatResult:
        done = sum(isinstance(message, ToolMessage) for message in messages)
        calls = [{"name": name, "args": given, "id": str(done)} for name, given in self.calls[done : done + 1]]
        return ChatResult(generations=[ChatGeneration(message=AIMessage("", tool_calls=calls))])


async def program(url: str, checks: Checks) -> None:
    progress: list[str | None] = []

    async def on_progress(_progress: float, _total: float | None, message: str | None, _context: Any) -> None:
        progress.append(message)

    async def on_question(_context: Any, _params: Any, _callback_context: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"word": "tea"})

    client = MultiServerMCPClient(
        {"mcptasks": {"transport": "http", "url": url}},
        callbacks=Callbacks(on_progress=on_progress, on_elicitation=on_question),
    )
    tools = await client.get_tools()

    async def run(calls: Calls) -> list[str]:
        model = ScriptedModel(calls=calls)
        graph = StateGraph(MessagesState)
        graph.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
        graph.add_node("tools", ToolNode(tools))
        graph.add_edge(START, "model")
        graph.add_conditional_edges("model", tools_condition)
        graph.add_edge("tools", "model")
        final = await graph.compile().ainvoke({"messages": [("user", "go on")]})
        return [json.dumps(message.content) for message in final["messages"] if isinstance(message, ToolMessage)]

    async def progresses() -> None:
        await run([("waited_steps", {"count": 5, "seconds": 0.8})])
        expect(any(message and message.startswith("step ") for message in progress), progress)

    async def asks() -> None:
        await ends_with("elicitation", run([("ask", {})]))

    async def required() -> None:
        await ends_with("runs only as a task", run([("task_only", {"a": 1})]))

    await check_answers(checks, run)
    await checks("progress arrives while a call waits", progresses)
    await check_repairs(checks, run)
    await check_stop(checks, run)
    await checks("a question ends the run with an error", asks)
    await checks("a required tool ends the run with an error", required)


main(program)
