"""`mcptasks call`: an MCP client on the command line, for tools, prompts and resources."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer

from mcptasks.cli.argument_values import ArgumentError
from mcptasks.cli.call_run import CallRun, RequestedCall, interruptions, told_of_retries, told_of_silence
from mcptasks.cli.call_target import AnyResult, TargetKind, blocks_of, find_target
from mcptasks.cli.command_errors import CliError, as_cli_error, usage_error
from mcptasks.cli.durations import parse_duration
from mcptasks.cli.progress_view import progress_view
from mcptasks.cli.question_dialog import QuestionDialog, terminal_lines
from mcptasks.cli.question_form import AnswerError, AnswerSheet
from mcptasks.cli.result_files import ResultPlace, SaveOption, is_file
from mcptasks.cli.server_options import HeaderOption, ProtocolOption, ServerOptions, TokenOption, UrlArgument
from mcptasks.cli.terminal_text import show, tell
from mcptasks.client import ClientError, ToolResult
from mcptasks.diagnostics.visible_text import visible_json
from mcptasks.model.base import JsonObject
from mcptasks.model.exit_codes import ExitCode
from mcptasks.network.shown_urls import shown_url
from mcptasks.protocol.versions import TAKES_TTL
from mcptasks.tracing.tracing import start_tracing

FLUSH_SECONDS = 1.0
"""How long the command tries to send its spans."""


class ResultFormat(StrEnum):
    """How to print the result."""

    TEXT = "text"
    JSON = "json"


def command(
    url: UrlArgument,
    name: Annotated[str, typer.Argument(help="The tool or prompt to call, or the URI of the resource to read.")],
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
    prompt: Annotated[bool, typer.Option("--prompt", help="NAME is a prompt, though a tool may be called so.")] = False,
    resource: Annotated[bool, typer.Option("--resource", help="NAME is the URI of a resource.")] = False,
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
    """Call a tool of an MCP server, or get a prompt or a resource, and print the result.

    Progress goes to standard error, and so does what the tool asks. Ctrl-C cancels the task. The exit code is 1 if the
    tool fails.

    \b
    Example:
      mcptasks call http://127.0.0.1:8000/mcp report --arg top=5
      mcptasks call http://127.0.0.1:8000/mcp report --idempotency-key "$(uuidgen)"
      mcptasks call http://127.0.0.1:8000/mcp plot --save pictures
      mcptasks call http://127.0.0.1:8000/mcp review --arg topic=whales
      mcptasks call http://127.0.0.1:8000/mcp report://2026/full
      mcptasks call http://127.0.0.1:8000/mcp remove_duplicates --arg folder=/tmp/x --answer delete=yes
    """
    if prompt and resource:
        raise usage_error("--prompt and --resource exclude each other")
    kind = TargetKind.PROMPT if prompt else TargetKind.RESOURCE if resource else None
    call = RequestedCall(name, kind, arg or (), json_text, _ttl(ttl), idempotency_key)
    options = ServerOptions(url, token, header or (), protocol)
    with as_cli_error(AnswerError, exit_code=ExitCode.USAGE):
        sheet = AnswerSheet.parse(answer or ())
    place = None if save is None else ResultPlace.made(save)
    tracing = start_tracing("mcptasks-client")
    try:
        with as_cli_error(ClientError):
            result, run = asyncio.run(_call(options, call, sheet, tasks=not no_task))
    finally:
        tracing.flush(FLUSH_SECONDS)
    failed = isinstance(result, ToolResult) and result.is_error
    if output is ResultFormat.JSON:
        typer.echo(visible_json(result.raw))
    elif not failed:
        _print(result, saved=place is not None)
    if place is not None and not failed:
        for path in place.save(run.target.short_name, blocks_of(result)):
            tell(f"saved {path}")
    if failed:
        raise CliError(f"{name} failed: {result.text or 'the tool gave no reason'}{run.hint}")


async def _call(
    options: ServerOptions, call: RequestedCall, sheet: AnswerSheet, *, tasks: bool
) -> tuple[AnyResult, CallRun]:
    """The result, and the call that it is of."""
    url = shown_url(options.url)
    with interruptions() as interrupted, progress_view() as view, told_of_silence(view, url) as heard:
        view.begin(call.name, f"connecting to {url}")
        dialog = QuestionDialog(sheet, terminal_lines(), view)
        async with options.client(tasks=tasks, on_elicitation=dialog.answer if dialog.can_answer else None) as client:
            with as_cli_error(ArgumentError, exit_code=ExitCode.USAGE):
                found = await find_target(client, call.name, call.kind)
                target, arguments = found.with_arguments(call.pairs, call.json_text)
            heard()
            with told_of_retries(view):
                run = CallRun(client, call, target, arguments, view, dialog, interrupted)
                result = await run.result()
        for key in dialog.not_asked:
            view.note(f"--answer {key} was not asked for")
        return result, run


def _print(result: AnyResult, *, saved: bool) -> None:
    for block in blocks_of(result):
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
