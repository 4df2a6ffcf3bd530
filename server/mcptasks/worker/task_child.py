"""The process that runs one task, with the module loaded before the task is there.

It is a copy of the zygote, or, where that cannot be copied, a fresh interpreter:
`python -m mcptasks.worker.task_child DESCRIPTOR`.
"""

from __future__ import annotations

import contextvars
import gc
import os
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from mcptasks.authoring.loader import LoadError, load_server
from mcptasks.authoring.task_server import TaskServer
from mcptasks.gateway.contract import Assignment, RunnerExitCode
from mcptasks.logs import configure_logging
from mcptasks.model.task_variables import task_variables
from mcptasks.runner.gateway_client import GatewayClient, RetryPace
from mcptasks.runner.main import (
    FLUSH_SECONDS,
    TASK_SERVICE,
    attempt_process,
    exit_code_of,
    leave,
    write_lines_at_once,
)
from mcptasks.runner.signals import Termination, carry_on
from mcptasks.settings import Settings
from mcptasks.tracing.tracing import start_tracing
from mcptasks.worker.blas_threads import BlasThreads
from mcptasks.worker.process_state import (
    ProcessAttributes,
    SignalHandlers,
    allow_inspection,
    quieten,
    renew_random_state,
    use_temporary_directory,
)
from mcptasks.worker.reaper import Surroundings
from mcptasks.worker.rehearsal import rehearse
from mcptasks.worker.socket_transport import SocketTransport

PACE = RetryPace(first=0.1)


@dataclass(frozen=True)
class LoadedModule:
    """The user's server, and what loading it has left for the processes that run its tasks.

    Args:
        handlers: signal handlers that the module has set.
        attributes: what else it has made of its process.
        context: what it has set of context variables.
        setters: functions of libraries that set their number of threads.
    """

    settings: Settings
    server: TaskServer[object]
    handlers: SignalHandlers
    attributes: ProcessAttributes
    context: contextvars.Context
    blas: BlasThreads | None = None
    setters: tuple[Callable[[int], Any], ...] = ()


def become_task_child(loaded: LoadedModule, channel: socket.socket, surroundings: Surroundings) -> NoReturn:
    """In a fresh copy of a process: run the task that comes by the channel, and end."""
    code: int = RunnerExitCode.CRASHED
    try:
        os.setsid()
        for descriptor in surroundings.foreign:
            os.close(descriptor)
        _connect_output(surroundings)
        # Beside other tasks: as little of this one as can be hidden from processes of the same user.
        allow_inspection(loaded.settings.worker_concurrency == 1)
        use_temporary_directory(surroundings.temporary)
        renew_random_state()
        if loaded.blas is not None:
            loaded.blas.restore(os.environ)
            for setter in loaded.setters:
                setter(loaded.blas.wanted)
        code = loaded.context.copy().run(run_task, loaded, channel)
    except BaseException:  # noqa: BLE001 (nothing of it may go on as its reaper)
        traceback.print_exc()
    finally:
        leave(code)


def run_task(loaded: LoadedModule, channel: socket.socket) -> int:
    """Wait for the task, run it and hand its outcome to the agent; gives the exit code."""
    # Here, and not before the copy was made: it sends from a thread of its own.
    tracing = start_tracing(TASK_SERVICE)
    with Termination.installed() as termination:
        # As where the module is loaded with the handlers in place: its own ones take theirs.
        loaded.handlers.install()
        loaded.attributes.install()

        def work() -> int:
            client = GatewayClient(SocketTransport(channel), PACE)
            with attempt_process(loaded.settings, client, termination, _with_variables(loaded.server)) as process:
                return process.run()

        code = exit_code_of(work, termination)
        with termination.reacting(carry_on):
            tracing.flush(FLUSH_SECONDS)
        return code


def _with_variables(server: TaskServer[object]) -> Callable[[Assignment], TaskServer[object]]:
    """Gives the server once the process has the variables that a Pod of the task alone would have."""

    def load(assignment: Assignment) -> TaskServer[object]:
        os.environ.update(task_variables(assignment.task_id, assignment.trace_context))
        return server

    return load


def _connect_output(surroundings: Surroundings) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(surroundings.stdout, 1)
    os.dup2(surroundings.stderr, 2)
    for descriptor in {surroundings.stdout, surroundings.stderr}:
        os.close(descriptor)


def run_alone(channel: socket.socket) -> int:
    """Load the module in this process, and run one task; gives the exit code."""
    settings = Settings()
    configure_logging(settings.log_format, settings.log_level)
    write_lines_at_once()
    # As in the zygote: before there is code of others.
    rehearse()
    before, attributes = SignalHandlers.now(), ProcessAttributes.now()
    context = contextvars.copy_context()
    try:
        server = context.run(load_server, settings.module or "")
    except LoadError as error:
        sys.stderr.write(f"{error.trace or error}\n")
        return RunnerExitCode.MODULE_NOT_LOADED
    handlers, own = quieten(before), ProcessAttributes.now()
    attributes.install()
    gc.freeze()
    return context.run(run_task, LoadedModule(settings, server, handlers, own, context), channel)


if __name__ == "__main__":
    leave(run_alone(socket.socket(fileno=int(sys.argv[1]))))
