"""A task as commands that one can paste elsewhere. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from mcptasks.diagnostics.visible_text import visible
from mcptasks.model.task import ComponentKind, McpTask

SOME_SERVER = "http://SERVER:8000/mcp"
"""Stands for the endpoint where the dashboard was not told it."""


@dataclass(frozen=True)
class PastableCommand:
    """A command and where it is pasted."""

    name: str
    text: str


def commands_for(task: McpTask, server_url: str | None) -> Sequence[PastableCommand]:
    """How to look at the task with kubectl, and how to make the same call again from a shell and from Python."""
    kubectl = f"kubectl --namespace {shlex.quote(task.namespace)} get mcptask {shlex.quote(task.name)} --output yaml"
    found = [PastableCommand("kubectl", kubectl)]
    if task.spec.component.kind is not ComponentKind.TOOL:
        return found
    url, tool = server_url or SOME_SERVER, task.spec.component.name
    arguments = task.spec.arguments_text or json.dumps(task.spec.arguments or {}, ensure_ascii=False)
    # `visible` writes what a terminal would obey as JSON does, but for this one.
    arguments = arguments.replace("\x7f", "\\u007f")
    call = f"mcptasks call {shlex.quote(url)} {shlex.quote(tool)} --json {shlex.quote(arguments)}"
    found.append(PastableCommand("mcptasks call", visible(call)))
    with suppress(ValueError, RecursionError):
        # By hand a task can be made with arguments that are no JSON.
        value = json.loads(arguments)
        # Python reads NaN and Infinity, and has no word for them.
        json.dumps(value, allow_nan=False)
        found.append(PastableCommand("Python", _python(url, tool, value)))
    return found


def _python(url: str, tool: str, arguments: object) -> str:
    return "\n".join(
        [
            "import asyncio",
            "",
            "from mcptasks.client import Client",
            "",
            "",
            "async def main() -> None:",
            f"    async with Client({url!r}) as client:",
            f"        result = await client.call_tool({tool!r}, {arguments!r})",
            "        print(result.text)",
            "",
            "",
            "asyncio.run(main())",
        ]
    )
