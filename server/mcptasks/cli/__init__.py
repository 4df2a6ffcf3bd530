"""The `mcptasks` command.

Each command has a module of its own in `commands`, and only the module of the command that was asked for is imported:
the runner starts with `mcptasks run` in every task's Pod, and must not wait for what the other commands need.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.completion import completion_init  # type: ignore[attr-defined]

from mcptasks.cli.command_errors import CliError
from mcptasks.cli.completion_words import COMPLETE_VARIABLE, is_completion, words_so_far
from mcptasks.cli.error_lines import tell_error
from mcptasks.cli.help_format import HelpfulCommand
from mcptasks.cli.invocation import PLUGIN_COMMANDS, CalledAs
from mcptasks.distribution import ALL_OF_IT, CLIENT, FULL, installed_version


@dataclass(frozen=True)
class CommandEntry:
    """A command: its name, its line in the list of commands, and its module in `commands`."""

    name: str
    help: str
    module: str
    extra: str | None = None
    """What brings the packages that it needs and a plain installation lacks."""

    @property
    def installed(self) -> bool:
        """Whether the distribution has it: `mcptasks-client` has few of them."""
        return Path(__file__).with_name("commands").joinpath(f"{self.module}.py").exists()

    def load(self) -> Callable[..., Any]:
        """Import the command's function, which is named `command`.

        Raises:
            CliError: the command, or a package that it needs, is not installed.
        """
        try:
            with _without_garbage_collection():
                function: Callable[..., Any] = importlib.import_module(f"mcptasks.cli.commands.{self.module}").command
        except ModuleNotFoundError as error:
            raise self.not_installed(error) from error
        return function

    def not_installed(self, error: ModuleNotFoundError) -> Exception:
        """What to raise when an import of the command has failed."""
        if not self.installed:
            return CliError(f"`mcptasks {self.name}` is not part of {CLIENT}: {ALL_OF_IT}")
        if self.extra is None:
            return error
        return CliError(
            f"`mcptasks {self.name}` needs the package {error.name}: install {FULL} with the extra `{self.extra}`",
        )


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """What imports create is never garbage, and collecting while they run takes a quarter of their time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


COMMANDS = (
    CommandEntry("demo", "See it work: tasks run, get cancelled and fail on a cluster inside this process.", "demo"),
    CommandEntry("dev", "Run your server with a local cluster; restart it on every change.", "dev"),
    CommandEntry("call", "Call a tool of an MCP server, with progress; Ctrl-C cancels.", "call"),
    CommandEntry("result", "Fetch the result of a task from an MCP server, in pieces.", "fetch_result"),
    CommandEntry("tools", "List the tools of an MCP server, and how to call them.", "list_tools"),
    CommandEntry("get", "List tasks, as kubectl does.", "get"),
    CommandEntry(
        "describe", "Show everything about a task: spec, status, Job, Pod, events, last log lines.", "describe"
    ),
    CommandEntry("top", "Show live what runs, what waits and what asks.", "show_top"),
    CommandEntry("workers", "List the workers of warm templates, and what each of them runs.", "list_workers"),
    CommandEntry("logs", "Print what a task's tool printed.", "print_logs"),
    CommandEntry("answer", "Answer what a task asks.", "answer"),
    CommandEntry("cancel", "Cancel tasks: their processes end, their records stay.", "cancel"),
    CommandEntry("delete", "Delete tasks and everything that belongs to them.", "delete"),
    CommandEntry("serve", "Serve the MCP endpoint and the gateway.", "serve"),
    CommandEntry("dashboard", "Serve pages that show tasks and what becomes of them.", "show_dashboard"),
    CommandEntry("operator", "Run the operator, which turns tasks into Jobs.", "run_operator"),
    CommandEntry("run", "Run one task inside its Pod.", "run"),
    CommandEntry("worker", "Run tasks of one template in a Pod that has loaded their module.", "run_worker"),
    CommandEntry("crds", "Print the custom resource definitions.", "print_crds"),
    CommandEntry("completion", "Print a script for completion in bash, zsh or fish.", "print_completion"),
    CommandEntry("settings", "Print all settings, with their environment variables.", "print_settings"),
    CommandEntry("metrics", "Print all metrics, with their labels.", "print_metrics"),
    CommandEntry("migrate", "Rewrite programs for FastMCP as programs for mcptasks.", "migrate", extra="migrate"),
    CommandEntry("version", "Print the version, and the commit that it was built from.", "print_version"),
)

EPILOG = "Start with `mcptasks demo`, then run your own server with `mcptasks dev server.py`."
CLIENT_EPILOG = f"This is {CLIENT}: {ALL_OF_IT}."

HELP = "Run long MCP tool calls as Kubernetes Jobs."
PLUGIN_HELP = "Look at tasks, which are long MCP tool calls, and act on them."
PLUGIN_EPILOG = "It uses the cluster and the namespace that kubectl does. Everything else is in the program `mcptasks`."


def main(arguments: Sequence[str] | None = None, called_as: CalledAs = CalledAs.PROGRAM) -> None:
    """Run the command line; ends the process with 0 (done), 1 (failed), 2 (wrong usage) or 130 (interrupted)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    completes = is_completion(os.environ)
    complete_home(os.environ, Path.home)
    try:
        app = application(words_so_far(os.environ) if completes else words, called_as)
        if completes:
            completion_init()
        app(args=words, prog_name=called_as.value, complete_var=COMPLETE_VARIABLE)
    except CliError as error:
        tell_error(error, called_as)
        sys.exit(error.exit_code)


def complete_home(environ: MutableMapping[str, str], find: Callable[[], Path]) -> None:
    """Set HOME where it is unset and the user has no entry in /etc/passwd: libraries then fail when they are imported.

    The root directory is what container runtimes give to such users.
    """
    try:
        find()
    except RuntimeError:
        environ["HOME"] = os.sep


def application(words: Sequence[str], called_as: CalledAs = CalledAs.PROGRAM) -> typer.Typer:
    """The application, with only the command loaded that the words ask for."""
    # Plain help: boxes wrap and cannot be piped.
    app = typer.Typer(
        epilog=_epilog(called_as),
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(help=HELP if called_as is CalledAs.PROGRAM else PLUGIN_HELP)(_root)
    wanted = next((word for word in words if not word.startswith("-")), None)
    known = [one for one in COMMANDS if called_as is CalledAs.PROGRAM or one.name in PLUGIN_COMMANDS]
    for entry in (one for one in known if one.installed or one.name == wanted):
        app.command(entry.name, short_help=entry.help, cls=HelpfulCommand)(
            entry.load() if entry.name == wanted else _not_loaded
        )
    return app


def _epilog(called_as: CalledAs) -> str:
    if called_as is CalledAs.PLUGIN:
        return PLUGIN_EPILOG
    return EPILOG if all(entry.installed for entry in COMMANDS) else CLIENT_EPILOG


def _not_loaded() -> None:
    """Stands in for the commands that were not asked for."""


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mcptasks {installed_version()}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """What there is without a command."""
