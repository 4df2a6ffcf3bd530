"""`mcptasks demo`: see it work."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import typer

from mcptasks.cli.command_errors import as_cli_error
from mcptasks.cli.progress_view import ProgressView, progress_view
from mcptasks.cli.worker_option import COLD_HELP, workers_can_run
from mcptasks.client import CallProgress, ClientError
from mcptasks.dev.demonstration import Demonstration, DemonstrationError, example_file
from mcptasks.dev.stack import LocalStack, StackConfig, StackError
from mcptasks.dev.supervisor import ProcessError
from mcptasks.kube.errors import KubeError
from mcptasks_embedded.cluster import ClusterError


def command(
    keep: Annotated[
        bool,
        typer.Option(
            "--keep", help="Leave it running, and print three commands to try next and the dashboard's address."
        ),
    ] = False,
    cold: Annotated[bool, typer.Option("--cold", help=COLD_HELP)] = False,
) -> None:
    """See it work on this machine alone: it takes about a minute and leaves nothing behind.

    A cluster in this process, the real operator and server, real HTTP. Tasks run for clients of both protocol
    versions, one is cancelled half-way, two fail, a short one is run by a worker and in a Pod of its own; then `kubectl
    get mcptasks` shows all of it.

    \b
    Example:
      mcptasks demo --keep
      mcptasks demo --cold
    """
    with as_cli_error(DemonstrationError, StackError, ClusterError, ProcessError, ClientError, KubeError, TimeoutError):
        _demo(keep, warm=not cold and workers_can_run())


def _demo(keep: bool, *, warm: bool) -> None:
    started = time.monotonic()
    typer.echo("Starting a cluster in this process, the operator and the server with examples/stdlib_report.py")
    with LocalStack(StackConfig(str(example_file()), warm=warm, dashboard_port=0 if keep else None)) as stack:
        typer.echo(f"Ready after {time.monotonic() - started:.1f} s: {stack.endpoint}")
        asyncio.run(_run(stack))
        typer.echo(f"\nDone in {time.monotonic() - started:.1f} s.")
        if keep:
            _keep(stack)
    if not keep:
        typer.echo("Everything is stopped and removed. `mcptasks demo --keep` leaves it running.")


async def _run(stack: LocalStack) -> None:
    # SIGTERM ends the demonstration as Ctrl-C does, so that nothing is left behind.
    demonstration = asyncio.create_task(_show(stack))
    terminated = asyncio.Event()

    def terminate() -> None:
        terminated.set()
        demonstration.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
    try:
        await demonstration
    except asyncio.CancelledError:
        if terminated.is_set():
            raise typer.Exit(128 + signal.SIGTERM) from None
        raise


async def _show(stack: LocalStack) -> None:
    with _demonstration_view() as view:
        await Demonstration(stack, view).run()


@dataclass(frozen=True)
class TerminalDemonstrationView:
    """Shows the demonstration on standard output."""

    progress: ProgressView

    def step(self, title: str) -> None:
        self.progress.note(f"\n== {title}")

    def say(self, text: str) -> None:
        self.progress.note(text)

    def show(self, name: str, report: CallProgress) -> None:
        self.progress.show(name, report)

    def done(self, name: str, outcome: str) -> None:
        self.progress.done(name, outcome)


@contextmanager
def _demonstration_view() -> Iterator[TerminalDemonstrationView]:
    with progress_view(to_stderr=False) as progress:
        yield TerminalDemonstrationView(progress)


def _keep(stack: LocalStack) -> None:
    typer.echo("It goes on running; Ctrl-C stops it.\n")
    typer.echo(f"endpoint: {stack.endpoint}")
    typer.echo(f"kubeconfig: {stack.kubeconfig}")
    typer.echo("\nGo on with:")
    typer.echo(f"  mcptasks call {stack.endpoint} report --arg top=5")
    typer.echo(f"  mcptasks get --kubeconfig {stack.kubeconfig} -w")
    typer.echo(f"  kubectl --kubeconfig {stack.kubeconfig} get mcptasks,jobs,pods")
    typer.echo("\nSee all of it, and what comes:")
    typer.echo(f"  {stack.dashboard_url}")
    signals = {signal.SIGINT, signal.SIGTERM}
    # Blocked, they are kept until somebody waits for them: none can slip in between.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        signal.sigwait(signals)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
