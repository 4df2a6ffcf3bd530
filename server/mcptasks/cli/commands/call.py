"""`mcptasks call`: an MCP client on the command line."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, TypeVar

import typer

import mcptasks.client
from mcptasks.cli.argument_values import ArgumentError, parse_arguments
from mcptasks.cli.command_errors import CliError, ExitCode, as_cli_error, usage_error
from mcptasks.cli.durations import parse_duration
from mcptasks.cli.progress_view import ProgressView, progress_view
from mcptasks.cli.question_dialog import QuestionDialog, terminal_lines
from mcptasks.cli.question_form import AnswerError, AnswerSheet
from mcptasks.cli.result_files import ResultFolder, SaveOption, is_file
from mcptasks.cli.server_options import HeaderOption, ProtocolOption, ServerOptions, TokenOption, UrlArgument
from mcptasks.cli.terminal_text import show, tell
from mcptasks.client import (
    Client,
    ClientError,
    McpError,
    TaskCancelledError,
    Tool,
    ToolResult,
    ToolTask,
)
from mcptasks.diagnostics.visible_text import visible_json
from mcptasks.model.base import JsonObject
from mcptasks.network.shown_urls import shown_url
from mcptasks.protocol.versions import TAKES_TTL

CANCEL_SECONDS = 10.0
START_SECONDS = 3.0
"""How long an interrupted call is given to become a task, so that it can be cancelled instead of left behind."""

CANNOT_ASK = -32021
"""The error for calls of tools that ask for what the client did not say it can answer."""

ANSWERS_HINT = "answer it with --answer KEY=VALUE, or call it from a terminal"

T = TypeVar("T")


class ResultFormat(StrEnum):
    """How to print the result."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True)
class ToolCall:
    """What to call."""

    tool: str
    pairs: Sequence[str] = ()
    json_text: str | None = None
    ttl: timedelta | None = None
    idempotency_key: str | None = None


def command(
    url: UrlArgument,
    tool: Annotated[str, typer.Argument(help="The tool to call.")],
    arg: Annotated[
        list[str] | None,
        typer.Option("--arg", metavar="KEY=VALUE", help="An argument, parsed by the tool's schema. May be repeated."),
    ] = None,
    json_text: Annotated[
        str | None, typer.Option("--json", metavar="OBJECT", help="All arguments as a JSON object.")
    ] = None,
    ttl: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help=f"How long the task can be read, for example 10m ({TAKES_TTL} only)."),
    ] = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="The same key again is the same task, so that a call can be repeated safely."),
    ] = None,
    no_task: Annotated[bool, typer.Option("--no-task", help="Never let the call become a task.")] = False,
    protocol: ProtocolOption = "auto",
    header: HeaderOption = None,
    token: TokenOption = None,
    answer: Annotated[
        list[str] | None,
        typer.Option(
            "--answer",
            metavar="KEY=VALUE",
            help="An answer to what the tool asks; on a terminal the rest is asked for. May be repeated.",
        ),
    ] = None,
    save: SaveOption = None,
    output: Annotated[
        ResultFormat, typer.Option("--output", "-o", help="text, or json for the unchanged result.")
    ] = ResultFormat.TEXT,
) -> None:
    """Call a tool of an MCP server and print its result.

    Progress goes to standard error, and so does what the tool asks. Ctrl-C cancels the task. The exit code is 1 if the
    tool fails.

    \b
    Example:
      mcptasks call http://127.0.0.1:8000/mcp report --arg top=5
      mcptasks call http://127.0.0.1:8000/mcp report --idempotency-key "$(uuidgen)"
      mcptasks call http://127.0.0.1:8000/mcp plot --save pictures
      mcptasks call http://127.0.0.1:8000/mcp remove_duplicates --arg folder=/tmp/x --answer delete=yes
    """
    call = ToolCall(tool, arg or (), json_text, _ttl(ttl), idempotency_key)
    options = ServerOptions(url, token, header or (), protocol)
    with as_cli_error(AnswerError, exit_code=ExitCode.USAGE):
        sheet = AnswerSheet.parse(answer or ())
    folder = None if save is None else ResultFolder.made(save)
    with as_cli_error(ClientError):
        result, hint = asyncio.run(_call(options, call, sheet, tasks=not no_task))
    _print(result, output, folder is not None)
    if folder is not None and not result.is_error:
        for path in folder.save(tool, result):
            tell(f"saved {path}")
    if result.is_error:
        raise CliError(f"{tool} failed: {result.text or 'the tool gave no reason'}{hint}")


async def _call(options: ServerOptions, call: ToolCall, sheet: AnswerSheet, *, tasks: bool) -> tuple[ToolResult, str]:
    """The result, and where there is more to see of the call."""
    with _interruptions() as interrupted, progress_view() as view:
        view.begin(call.tool, f"connecting to {shown_url(options.url)}")
        dialog = QuestionDialog(sheet, terminal_lines(), view)
        async with options.client(tasks=tasks, on_elicitation=dialog.answer if dialog.can_answer else None) as client:
            with as_cli_error(ArgumentError, exit_code=ExitCode.USAGE):
                arguments = await _arguments(client, call)
            with _told_of_retries(view):
                run = CallRun(client, call, arguments, view, dialog, interrupted)
                result = await run.result()
        for key in dialog.not_asked:
            view.note(f"--answer {key} was not asked for")
        return result, run.hint


async def _arguments(client: Client, call: ToolCall) -> JsonObject:
    tools = {tool.name: tool for tool in await client.list_tools()}
    if call.tool not in tools:
        names = ", ".join(sorted(tools)) or "none"
        raise usage_error(f"{shown_url(client.url)} has no tool {call.tool!r}; it has: {names}")
    tool: Tool = tools[call.tool]
    return parse_arguments(call.pairs, call.json_text, tool.input_schema)


@dataclass(eq=False)
class CallRun:
    """One call, from its start to its end or its interruption."""

    client: Client
    call: ToolCall
    arguments: JsonObject
    view: ProgressView
    dialog: QuestionDialog
    interrupted: asyncio.Event
    _task: ToolTask | None = field(default=None, init=False)

    @property
    def hint(self) -> str:
        """Where there is more to see of a call that failed."""
        if self._task is None or self._task.returned_immediately:
            return "\nThe log of the server has more."
        return f"\n`mcptasks describe {self._task.task_id}` and `mcptasks logs {self._task.task_id}` show more."

    async def result(self) -> ToolResult:
        """Call the tool and wait for its result. Raises CliError where it was interrupted or ended with an error."""
        name = self.call.tool
        self.view.begin(name, "calling")
        starting = asyncio.create_task(
            self.client.call_tool(
                name,
                self.arguments,
                task=True,
                ttl=self.call.ttl,
                idempotency_key=self.call.idempotency_key,
                on_progress=lambda report: self.view.show(name, report),
            )
        )
        try:
            self._task = await self._unless_interrupted(starting)
            if not self._task.returned_immediately:
                self.view.note(f"{name} runs as task {self._task.task_id}")
                self.view.begin(name, "waiting for its process to start")
            result = await self._unless_interrupted(asyncio.create_task(self._task.result()))
        except McpError as error:
            cannot_ask = error.code == CANNOT_ASK and not self.dialog.can_answer
            hint = f"; {ANSWERS_HINT}" if cannot_ask else self.hint
            raise CliError(f"{name} failed: {explain(error)}{hint}") from error
        except TaskCancelledError as error:
            raise CliError(f"{name} was cancelled: {error}") from error
        self.view.done(name, "failed" if result.is_error else "completed")
        return result

    async def _unless_interrupted(self, work: asyncio.Task[T]) -> T:
        interruption = asyncio.create_task(self.interrupted.wait())
        failure = asyncio.create_task(self.dialog.failed.wait())
        try:
            await asyncio.wait({work, interruption, failure}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            raise await self._give_up(work)
        finally:
            interruption.cancel()
            failure.cancel()
            work.cancel()

    async def _give_up(self, work: asyncio.Task[T]) -> CliError:
        """Cancel what was started; returns the error that says why and so."""
        cause = self.dialog.failure or CliError("interrupted", ExitCode.INTERRUPTED)
        # A call that asks before it becomes a task waits for us.
        if self._task is None and self.dialog.failure is None and not self.dialog.asking:
            await asyncio.wait({work}, timeout=START_SECONDS)
            started = work.result() if work.done() and not work.cancelled() and work.exception() is None else None
            self._task = started if isinstance(started, ToolTask) else None
        if self._task is None or self._task.returned_immediately:
            return CliError(f"{cause}: the call of {self.call.tool} was given up", cause.exit_code)
        task_id = self._task.task_id
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                await self._task.cancel()
        except (ClientError, TimeoutError) as error:
            return CliError(
                f"{cause}, but task {task_id} could not be cancelled: {error or 'no answer'}", cause.exit_code
            )
        return CliError(f"{cause}: task {task_id} is cancelled", cause.exit_code)


@contextmanager
def _told_of_retries(view: ProgressView) -> Iterator[None]:
    """Show the client's warnings, that it tries again for example, above the progress."""
    logger, handler = logging.getLogger(mcptasks.client.__name__), NoteHandler(view)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class NoteHandler(logging.Handler):
    """Shows warnings as notes of a progress view."""

    def __init__(self, view: ProgressView) -> None:
        super().__init__(logging.WARNING)
        self.view = view

    def emit(self, record: logging.LogRecord) -> None:
        self.view.note(record.getMessage())


def explain(error: McpError) -> str:
    """The error's message, with the reason where the server gives one."""
    reason = error.data.get("reason") if isinstance(error.data, dict) else None
    return f"{error.message} ({reason})" if reason and reason not in error.message else error.message


@contextmanager
def _interruptions() -> Iterator[asyncio.Event]:
    """An event that the first Ctrl-C sets; the second one ends the process."""
    loop, interrupted = asyncio.get_running_loop(), asyncio.Event()

    def on_interrupt() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        interrupted.set()

    loop.add_signal_handler(signal.SIGINT, on_interrupt)
    try:
        yield interrupted
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _print(result: ToolResult, output: ResultFormat, saved: bool) -> None:
    if output is ResultFormat.JSON:
        typer.echo(visible_json(result.raw))
    elif not result.is_error:
        for block in result.content:
            if not (saved and is_file(block)):
                show(_block_text(block))


def _block_text(block: JsonObject) -> str:
    match block:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "resource_link", "uri": str(uri)}:
            return uri
        case {"type": "resource", "resource": {"text": str(text)}}:
            return text
        case {"data": str(data)}:
            return _bytes_text(str(block.get("mimeType") or block["type"]), data)
        case {"type": "resource", "resource": {"blob": str(data), **rest}}:
            return _bytes_text(str(rest.get("mimeType") or "file"), data)
        case _:
            return json.dumps(block, ensure_ascii=False)


def _bytes_text(what: str, data: str) -> str:
    return f"[{what}, {len(data) * 3 // 4} bytes; --save FOLDER keeps them, -o json shows them]"


def _ttl(text: str | None) -> timedelta | None:
    with as_cli_error(ValueError, exit_code=ExitCode.USAGE):
        return None if text is None else parse_duration(text)
