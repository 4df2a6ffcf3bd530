"""A server with all that the client has words for: questions, prompts and resources as tasks."""

from __future__ import annotations

from mcp.server.mcpserver import Context
from mcp_types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from pydantic import BaseModel

from mcptasks import CurrentTask, TaskConfig, TaskInfo, TaskServer

mcp = TaskServer("own", tasks=TaskConfig(poll_interval=0.2))
by_workers = TaskConfig(poll_interval=0.2, template="workers")


class Size(BaseModel):
    size: int
    sliced: bool = False


@mcp.tool(task=by_workers)
async def order(what: str, ctx: Context) -> str:
    """Asks twice, one question after the other."""
    size = await ctx.elicit(f"How large is the {what}?", Size)
    if size.action != "accept":
        return f"no {what}: {size.action}"
    again = await ctx.elicit("And the next one?", Size)
    return f"{size.data.size} and {again.data.size if again.action == 'accept' else again.action}"


@mcp.tool(structured_output=False, task=by_workers)
def novel(chapters: int) -> str:
    """A long text, with characters of all lengths."""
    return "".join(f"{chapter}: é€\U0001d11e\n" for chapter in range(chapters))


@mcp.tool(task=by_workers)
async def survey(ctx: Context) -> str | InputRequiredResult:
    """Asks two questions at once, and is entered again with the answers."""
    if not ctx.input_responses:
        schema = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
        return InputRequiredResult(
            input_requests={
                key: ElicitRequest(params=ElicitRequestFormParams(message=f"{key}?", requested_schema=schema))
                for key in ("name", "colour")
            }
        )
    answers = {key: answer for key, answer in ctx.input_responses.items() if isinstance(answer, ElicitResult)}
    return ", ".join(f"{key}: {(answers[key].content or {}).get('answer')}" for key in sorted(answers))


@mcp.tool(task=by_workers)
def who(task: TaskInfo = CurrentTask()) -> str | None:
    return task.id


@mcp.prompt()
def review(topic: str, task: TaskInfo = CurrentTask()) -> str:
    return f"Review {topic} {where(task)}"


@mcp.prompt(task=TaskConfig(mode="required"))
def thorough(topic: str) -> str:
    return f"Review all of {topic}"


@mcp.resource("own://{name}/page", mime_type="text/markdown")
def page(name: str, task: TaskInfo = CurrentTask()) -> str:
    return f"# {name} {where(task)}"


@mcp.resource("own://picture", mime_type="image/png")
def picture() -> bytes:
    return b"\x89PNG"


@mcp.resource("own://inline", task=False)
def inline() -> str:
    return "never a task"


def where(task: TaskInfo) -> str:
    return "inline" if task.id is None else "in a Pod"
