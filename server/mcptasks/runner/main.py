"""The runner: the process in a task's Pod. It runs one component once, hands the outcome to the gateway, and exits.

Its exit codes are `gateway.contract.RunnerExitCode`; 128 + n, ended by signal n; otherwise what the component itself
ended the process with.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Thread
from typing import NoReturn

from mcptasks.authoring.loader import LoadError, load_server
from mcptasks.authoring.task_server import TaskServer
from mcptasks.authoring.user_variables import complete_user_variables
from mcptasks.gateway.contract import Assignment, RunnerExitCode
from mcptasks.logs import configure_logging
from mcptasks.runner.gateway_client import (
    GatewayClient,
    GatewayUnreachableError,
    RejectedError,
    RetryPace,
    TaskOverError,
)
from mcptasks.runner.loop_thread import LoopThread
from mcptasks.runner.process import TaskProcess
from mcptasks.runner.signals import Termination, TerminationRequested, carry_on
from mcptasks.settings import Settings
from mcptasks.tracing.tracing import start_tracing

logger = logging.getLogger(__name__)

TASK_SERVICE = "mcptasks-task"
"""`service.name` of the processes that run tasks, where the variables have no other."""

CLOSE_SECONDS = 1.0
FLUSH_SECONDS = 0.7
"""How long the last spans may take: a worker ends a process that does not end within a second of its outcome."""

AT_EXIT_SECONDS = 1.0
"""How long handlers registered with `atexit` may take, for example to send the last traces."""


def run(settings: Settings, pace: RetryPace | None = None) -> int:
    """Run the Pod's task; gives the exit code. Only in the main thread.

    The process should end with `leave`: what the component has left running must not keep the Pod.
    """
    started = time.monotonic()
    configure_logging(settings.log_format, settings.log_level)
    write_lines_at_once()
    complete_user_variables(os.environ)
    tracing = start_tracing(TASK_SERVICE)
    with Termination.installed() as termination:

        def work() -> int:
            client = GatewayClient.over_http(settings.gateway_url, settings.token_file, pace)
            with attempt_process(settings, client, termination, _Loading(settings), started) as process:
                return process.run()

        code = exit_code_of(work, termination)
        with termination.reacting(carry_on):
            tracing.flush(FLUSH_SECONDS)
        return code


def exit_code_of(work: Callable[[], int], termination: Termination) -> int:
    """Run what a process is there for; gives the process's exit code, whatever comes of it."""
    try:
        return work()
    except TaskOverError as error:
        logger.warning("nothing left to do: %s", error)
        return RunnerExitCode.OUTCOME_RECORDED
    except (GatewayUnreachableError, RejectedError) as error:
        logger.error("%s", error)
        return RunnerExitCode.GATEWAY_UNREACHABLE
    except TerminationRequested:
        return _terminated(termination)
    except KeyboardInterrupt:
        logger.exception("the tool ended the process with KeyboardInterrupt")
        return RunnerExitCode.INTERRUPTED
    except SystemExit as error:
        return _exited(error)
    except BaseException:
        logger.exception("the runner crashed")
        return RunnerExitCode.CRASHED


@dataclass(frozen=True)
class _Loading:
    """Loads the module that the settings name, or else the assignment."""

    settings: Settings

    def __call__(self, assignment: Assignment) -> TaskServer[object]:
        module = self.settings.module or assignment.module
        if not module:
            raise LoadError("neither the Pod (MCPTASKS_MODULE) nor the server says which module to run")
        return load_server(module)


@contextlib.contextmanager
def attempt_process(
    settings: Settings,
    client: GatewayClient,
    termination: Termination,
    load: Callable[[Assignment], TaskServer[object]],
    started: float | None = None,
) -> Iterator[TaskProcess]:
    """What runs an attempt, with a loop beside the main thread; closes the client. See `TaskProcess`."""
    with LoopThread() as loop_thread:
        try:
            yield TaskProcess(settings, client, loop_thread, termination, load, started)
        finally:
            with termination.reacting(carry_on), contextlib.suppress(TimeoutError):
                loop_thread.submit(client.aclose()).future.result(CLOSE_SECONDS)


def _terminated(termination: Termination) -> int:
    if termination.task_is_over:
        logger.warning("the tool was ended, because the task is over")
    elif termination.signal is not None:
        logger.warning("ended by %s", termination.signal.name)
    return termination.exit_code


def _exited(error: SystemExit) -> int:
    """The exit code of a component that ended the process, as Python has it."""
    if error.code is None or isinstance(error.code, int):
        code = error.code or 0
    else:
        logger.error("%s", error.code)
        code = RunnerExitCode.CRASHED
    # Whoever reads the log has to find the place.
    logger.error("the tool ended the process with exit code %s and has given no result", code, exc_info=error)
    return code


def write_lines_at_once() -> None:
    """What a tool prints is in the Pod's log at once, as with PYTHONUNBUFFERED."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)


def leave(code: int) -> NoReturn:
    """End the process now, whatever threads and child processes the component has left running."""
    exit_handlers = Thread(target=atexit._run_exitfuncs, daemon=True)
    exit_handlers.start()
    exit_handlers.join(AT_EXIT_SECONDS)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code & 0xFF)
