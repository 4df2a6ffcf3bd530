"""The process that has loaded the user's module and is copied for each task.

It has one thread and no event loop, because a copy has neither. It connects to the agent once the module is loaded, so
that a module that closes descriptors closes none that matter. Messages are JSON objects:

| to the agent | |
|---|---|
| `{"kind": "ready", "digest": ...}` | the module is loaded |
| `{"kind": "unsafe", "digest": ..., "why": ...}` | it is loaded, and this process cannot be copied |
| `{"kind": "failed", "message": ...}` | it cannot be loaded |
| `{"kind": "refused", "why": ...}` | this process cannot be copied any more |

| from the agent | |
|---|---|
| `{"kind": "fork"}` with a descriptor | make a reaper, which makes processes: its control |
| `{"kind": "reap", "pid": ...}` | this reaper has ended |
| nothing any more | end |
"""

from __future__ import annotations

import contextvars
import gc
import json
import logging
import os
import signal
import socket
import traceback
from contextlib import suppress
from typing import Any, NoReturn

from mcptasks.authoring.loader import LoadError, load_server
from mcptasks.authoring.module_digest import module_digest
from mcptasks.gateway.contract import RunnerExitCode
from mcptasks.logs import configure_logging
from mcptasks.model.excerpts import without_middle
from mcptasks.runner.main import write_lines_at_once
from mcptasks.settings import Settings
from mcptasks.tracing.tracing import preload_tracing
from mcptasks.worker.blas_threads import BlasThreads, openblas_setters
from mcptasks.worker.fork_safety import ThreadWitness, thread_count, unsafe_because
from mcptasks.worker.output_lines import tag_of
from mcptasks.worker.process_state import ProcessAttributes, SignalHandlers, flush_output, quieten
from mcptasks.worker.reaper import Reaper, Surroundings
from mcptasks.worker.rehearsal import rehearse
from mcptasks.worker.task_child import LoadedModule, become_task_child

logger = logging.getLogger(__name__)

MESSAGE_BYTES = 64 * 1024
MESSAGE_CHARACTERS = 4096
"""As much as a container's termination message may have (in bytes)."""


def be_zygote(address: str, settings: Settings) -> NoReturn:
    """Load the module, tell the agent at the address, and serve it until it is gone."""
    code = RunnerExitCode.CRASHED
    # From here on there is code of others: as in the runner.
    configure_logging(settings.log_format, settings.log_level)
    write_lines_at_once()
    try:
        code = Zygote(address, settings).run()
    except BaseException:  # noqa: BLE001 (nothing of this process may go on where it was copied)
        traceback.print_exc()
    finally:
        flush_output()
        os._exit(code)


class Zygote:
    """See above. `address` is the agent's socket, in the abstract namespace."""

    def __init__(self, address: str, settings: Settings) -> None:
        self._address = address
        self._settings = settings
        self._reapers: set[int] = set()

    def run(self) -> RunnerExitCode:
        """Until the agent is gone; gives the exit code."""
        preload_tracing()
        # Before there is code of others, which may take from libraries what they need to be imported.
        contextvars.Context().run(rehearse)
        pid, module = os.getpid(), self._settings.module or ""
        before, digest = SignalHandlers.now(), module_digest(module)
        attributes = ProcessAttributes.now()
        blas = BlasThreads.restrained(os.environ)
        context = contextvars.copy_context()
        with ThreadWitness.watching() as witness:
            try:
                server = context.run(load_server, module)
            except LoadError as error:
                if error.trace:
                    logger.error("the module cannot be loaded\n%s", error.trace)
                self._connect().send(
                    _encoded({"kind": "failed", "message": without_middle(str(error), MESSAGE_CHARACTERS)})
                )
                return RunnerExitCode.MODULE_NOT_LOADED
        if os.getpid() != pid:
            # A copy that the module has made of this process, and that came back from loading it.
            os._exit(RunnerExitCode.OUTCOME_RECORDED)
        handlers, own = quieten(before), ProcessAttributes.now()
        attributes.install()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        control = self._connect()
        if (why := unsafe_because(witness)) is not None:
            control.send(_encoded({"kind": "unsafe", "digest": digest, "why": why}))
            return RunnerExitCode.OUTCOME_RECORDED
        loaded = LoadedModule(self._settings, server, handlers, own, context, blas, tuple(openblas_setters()))
        gc.collect()
        gc.freeze()
        control.send(_encoded({"kind": "ready", "digest": digest}))
        self._serve(control, loaded)
        return RunnerExitCode.OUTCOME_RECORDED

    def _connect(self) -> socket.socket:
        control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        control.connect(f"\0{self._address}")
        return control

    def _serve(self, control: socket.socket, loaded: LoadedModule) -> None:
        while True:
            try:
                message, descriptors, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 1)
            except ConnectionError:
                return
            if not message:
                return
            if descriptors:
                self._fork(control, loaded, *descriptors)
            else:
                self._reap(json.loads(message)["pid"])

    def _fork(self, control: socket.socket, loaded: LoadedModule, reaper_control: int) -> None:
        """Make a reaper."""
        flush_output()
        if thread_count() > 1:
            control.send(_encoded({"kind": "refused", "why": "a thread has been started since the module was loaded"}))
        elif pid := os.fork():
            self._reapers.add(pid)
        else:
            code = RunnerExitCode.CRASHED
            try:
                control.close()
                _supervise(loaded, socket.socket(fileno=reaper_control))
                code = RunnerExitCode.OUTCOME_RECORDED
            except BaseException:  # noqa: BLE001 (it must not go on as a second zygote)
                traceback.print_exc()
            finally:
                flush_output()
                os._exit(code)
        os.close(reaper_control)

    def _reap(self, pid: int) -> None:
        """Reap a reaper that is ending. What the module itself has started is the module's to wait for."""
        if pid in self._reapers:
            self._reapers.discard(pid)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _supervise(loaded: LoadedModule, control: socket.socket) -> None:
    def start(channel: socket.socket, surroundings: Surroundings) -> int:
        flush_output()
        pid = os.fork()
        if not pid:
            become_task_child(loaded, channel, surroundings)
        return pid

    Reaper(control, start, tag_of(loaded.settings.log_format)).run()


def _encoded(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode()
