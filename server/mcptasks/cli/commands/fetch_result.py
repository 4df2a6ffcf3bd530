"""`mcptasks result`: the result of a task, in pieces."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from mcptasks.cli.command_errors import CliError, as_cli_error
from mcptasks.cli.progress_view import ProgressView, progress_view
from mcptasks.cli.result_download import ResultDownload
from mcptasks.cli.server_options import HeaderOption, ProtocolOption, ServerOptions, TokenOption, UrlArgument
from mcptasks.client import CallProgress, Client, ClientError, McpError, TaskState, ToolTask
from mcptasks.diagnostics.visible_text import visible
from mcptasks.model.task import Phase
from mcptasks.network.shown_urls import shown_url


def command(
    url: UrlArgument,
    task: Annotated[str, typer.Argument(help="The id of the task.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where the result goes; standard output by default. What was interrupted goes on where it stopped.",
        ),
    ] = None,
    protocol: ProtocolOption = "auto",
    header: HeaderOption = None,
    token: TokenOption = None,
) -> None:
    """Wait until a task has ended, and fetch its result in pieces, as JSON text.

    Until all of it is there, it is in FILE.part. No file is overwritten.

    \b
    Example:
      mcptasks result http://127.0.0.1:8000/mcp export-x5b2c7 --output export.json
      mcptasks result http://127.0.0.1:8000/mcp export-x5b2c7 | jq -r '.content[0].text'
    """
    options = ServerOptions(url, token, header or (), protocol)
    download = None if output is None else ResultDownload(output)
    if download is not None:
        download.check()
    with as_cli_error(ClientError):
        asyncio.run(_fetch(options, task, download))


async def _fetch(options: ServerOptions, task: str, download: ResultDownload | None) -> None:
    with progress_view() as view:
        view.begin(task, f"connecting to {shown_url(options.url)}")
        # What only waits is not to get the result itself.
        async with options.client(max_result_bytes=0) as client:
            try:
                await _ended(client.resume(task, on_progress=lambda report: view.show(task, report)), view)
                if download is None:
                    view.begin(task, "fetching the result")
                    view.close()
                    await _print(client, task)
                else:
                    await _save(client, task, download, view)
            except McpError as error:
                raise CliError(f"{task}: {error.message}") from error


async def _ended(handle: ToolTask, view: ProgressView) -> None:
    """Wait for the task's end. Says so where the task itself waits, for an answer."""

    def tell(state: TaskState) -> None:
        if state.status is Phase.INPUT_REQUIRED:
            view.note(f"{handle.task_id} waits for an answer: give it with mcptasks answer {handle.task_id}")

    handle.on_status_change(tell)
    await handle.wait()


async def _print(client: Client, task: str) -> None:
    """Print the result. Raises CliError, at its end, where that is not what was recorded."""
    is_terminal = sys.stdout.isatty()
    printed, size, recorded = hashlib.sha256(), 0, None
    async for piece in client.result_pieces(task):
        data, recorded = piece.text.encode(), (piece.sha256, piece.size)
        printed.update(data)
        size += len(data)
        sys.stdout.write(visible(piece.text) if is_terminal else piece.text)
    sys.stdout.write("\n")
    if recorded != (printed.hexdigest(), size):
        raise CliError(f"{task}: what was printed is not the recorded result: fetch it again")


async def _save(client: Client, task: str, download: ResultDownload, view: ProgressView) -> None:
    # Tells how large it is, and whether what is there already is its beginning.
    first = await client.result_piece(task, 0, 1024)
    done = download.begun(first)
    if done < first.size:
        async for piece in client.result_pieces(task, done):
            download.add(piece.of_result(first))
            done = piece.next_offset or piece.size
            view.show(task, CallProgress(done, first.size, "bytes"))
    download.finish(first.sha256)
    view.done(task, f"completed: {first.size:,} bytes in {download.target}")
