"""The worker: `mcptasks worker`. Starts the zygote, then becomes the agent."""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
import secrets
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mcptasks.authoring.user_variables import complete_user_variables
from mcptasks.gateway.contract import SILENCE_SECONDS, RunnerExitCode
from mcptasks.logs import configure_logging
from mcptasks.model.excerpts import without_middle
from mcptasks.runner.gateway_client import RetryPace
from mcptasks.settings import PREFIX, Settings
from mcptasks.worker.agent import Agent, WorkerTerms
from mcptasks.worker.descendants import adopt_orphans
from mcptasks.worker.process_state import allow_inspection
from mcptasks.worker.zygote_source import StartedZygote

logger = logging.getLogger(__name__)

ZYGOTE_MODULE = "mcptasks.worker.zygote"
TERMINATION_LOG = Path("/dev/termination-log")
TERMINATION_CHARACTERS = 4096
"""Kubernetes keeps as many bytes, the last ones."""

PASSED_TO_INTERPRETERS = ("module", "gateway_url", "token_file", "log_format", "log_level")


def run_worker(settings: Settings, pace: RetryPace | None = None, silence: float = SILENCE_SECONDS) -> int:
    """Run tasks until told to end; gives the exit code. Only in the main thread of a process with no other threads."""
    configure_logging(settings.log_format, settings.log_level, all_frames=True)
    if not settings.module:
        _say_why("no module is named: set MCPTASKS_MODULE")
        return RunnerExitCode.MODULE_NOT_LOADED
    try:
        adopt_orphans()
    except (OSError, AttributeError) as error:
        _say_why(f"{error}; a worker needs Linux")
        return RunnerExitCode.CRASHED
    allow_inspection(False)
    complete_user_variables(os.environ)
    terms = WorkerTerms(
        settings=settings,
        zygote=_started_zygote(settings),
        environ=_interpreter_variables(settings, os.environ),
        say_why=_say_why,
        pace=pace or RetryPace(),
        silence=silence,
    )
    return asyncio.run(_agent(terms))


async def _agent(terms: WorkerTerms) -> int:
    return await Agent(terms).run()


def _started_zygote(settings: Settings) -> StartedZygote:
    """A copy of this process, as long as it has one thread and little memory, that goes on to load the module."""
    address = f"mcptasks-worker-{secrets.token_hex(16)}"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"\0{address}")
    listener.listen()
    gc.freeze()
    pid = os.fork()
    if not pid:
        listener.close()
        # What it imports is large, and the agent has no use for it.
        importlib.import_module(ZYGOTE_MODULE).be_zygote(address, settings)
    return StartedZygote(pid, listener)


def _interpreter_variables(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of interpreters that run tasks: they read their settings anew."""
    given = {f"{PREFIX}{name.upper()}": getattr(settings, name) for name in PASSED_TO_INTERPRETERS}
    return {**environ, **{name: str(value) for name, value in given.items() if value is not None}}


def _say_why(message: str) -> None:
    """In the log, and where Kubernetes looks for it."""
    logger.error("%s", message)
    if TERMINATION_LOG.exists():
        with suppress(OSError):
            TERMINATION_LOG.write_text(without_middle(message, TERMINATION_CHARACTERS))
