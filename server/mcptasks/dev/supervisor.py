"""Starts, restarts and ends processes by name, and knows when they are ready. Synchronous; use from any thread."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2

from mcptasks.dev.leash import leashed

READY_SECONDS = 60.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.05
RESTART_CHECK_SECONDS = 0.5
"""How often the supervisor looks for processes that have ended, and so how soon they are back."""
PROBE_SECONDS = 2.0
SHOWN_LINES = 15


class ProcessError(Exception):
    """A process did not start, or ended on its own. `exit_code` is None for one that only took too long."""

    def __init__(self, message: str, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class ProcessSpec:
    """A process to run: `python -m <module> <arguments>`, ready when `ready_url` answers 200.

    One that is `restarted` starts again when it ends on its own after it was ready once, as in a Deployment: an
    operator that loses its Lease ends by design. It runs with `environment` on top of `base`, or of this process's
    environment without settings of mcptasks where there is no `base`.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    ready_url: str
    restarted: bool = False
    base: Mapping[str, str] | None = field(default=None, repr=False)


@dataclass(eq=False)
class Supervisor:
    """Runs processes, each with its output in `<directory>/<name>.log`. They end when this process ends.

    Use as a context manager: leaving it ends everything that runs.
    """

    directory: Path
    _specs: dict[str, ProcessSpec] = field(default_factory=dict, init=False)
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict, init=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False)
    _leash: tuple[int, int] | None = field(default=None, init=False)
    _wanted: set[str] = field(default_factory=set, init=False)
    _ready_once: set[str] = field(default_factory=set, init=False)
    _giving_up: threading.Event = field(default_factory=threading.Event, init=False)
    _closing: threading.Event = field(default_factory=threading.Event, init=False)
    _restarter: threading.Thread | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        self._leash = os.pipe()
        self._closing.clear()
        self._giving_up.clear()
        self._restarter = threading.Thread(target=self._restart_ended, name="mcptasks-supervisor", daemon=True)
        self._restarter.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._restarter is not None:
            self._restarter.join()
        self.stop_all()
        for descriptor in self._leash or ():
            os.close(descriptor)
        self._leash = None

    def add(self, spec: ProcessSpec) -> None:
        """Make a process known under its name; `start` runs it."""
        self._specs[spec.name] = spec

    def spec(self, name: str) -> ProcessSpec:
        """The process of that name. Raises KeyError where there is none."""
        return self._specs[name]

    def log_file(self, name: str) -> Path:
        """The file with all that the process has printed, over all its starts."""
        return self.directory / f"{name}.log"

    def pid(self, name: str) -> int:
        """Process id of the running component. Raises ProcessError where it does not run."""
        with self._lock:
            process = self._running(name)
            if process is None:
                raise ProcessError(f"{name} is not running")
            return process.pid

    def exit_code(self, name: str) -> int | None:
        """Exit code of the process's last run; None while it runs, or where it never did."""
        with self._lock:
            process = self._processes.get(name)
            return None if process is None else process.poll()

    def start(self, name: str, *, ready_seconds: float | None = READY_SECONDS) -> None:
        """Start the process and wait until it is ready; a running one is left alone.

        Args:
            name: the process.
            ready_seconds: how long to wait for it to be ready; None does not wait.

        Raises:
            ProcessError: it ended, with its exit code and last log lines, or is not ready in time.
        """
        with self._lock:
            self._wanted.add(name)
            self._ensure_running(name)
        if ready_seconds is not None:
            self.wait_ready(name, ready_seconds)

    def run(self, spec: ProcessSpec, seconds: float = READY_SECONDS) -> int:
        """Run a process to its end; gives its exit code. Its log is new each time.

        Raises:
            ProcessError: it takes longer than `seconds`, or nobody waits for it any more. It has been killed.
        """
        self.log_file(spec.name).unlink(missing_ok=True)
        process = self._spawn(spec)
        with self._lock:
            self._processes[spec.name] = process
        give_up_at = time.monotonic() + seconds
        while process.poll() is None:
            if time.monotonic() > give_up_at or self._giving_up.wait(POLL_SECONDS):
                process.kill()
                process.wait()
                raise ProcessError(self._with_log(spec.name, f"{spec.name} has not ended after {seconds:g} s"))
        return process.returncode

    def wait_ready(self, name: str, seconds: float = READY_SECONDS) -> None:
        """Wait until the process is ready. Raises ProcessError as `start` does."""
        give_up_at = time.monotonic() + seconds
        with httpx2.Client(timeout=PROBE_SECONDS, trust_env=False) as http:
            while not _answers(http, self._specs[name].ready_url):
                code = self.exit_code(name)
                if code is not None and not self._is_restarted(name):
                    raise ProcessError(self._with_log(name, f"{name} ended with {_ending(code)}"), code)
                if time.monotonic() > give_up_at:
                    raise ProcessError(self._with_log(name, f"{name} is not ready after {seconds:g} s"))
                if self._giving_up.wait(POLL_SECONDS):
                    raise ProcessError(f"{name} is not ready, and nobody waits for it any more")
        self._ready_once.add(name)

    def give_up_waiting(self) -> None:
        """End all waits for processes that are not ready, now and from now on, with ProcessError."""
        self._giving_up.set()

    def stop(self, name: str, seconds: float = STOP_SECONDS) -> None:
        """End the process with SIGTERM, after `seconds` with SIGKILL."""
        process = self._no_longer_wanted(name)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill(name)

    def kill(self, name: str) -> None:
        """End the process with SIGKILL, as a crash of its machine would."""
        process = self._no_longer_wanted(name)
        if process is not None:
            process.kill()
            process.wait()

    def restart(self, name: str, *, ready_seconds: float | None = READY_SECONDS) -> None:
        """Stop, then start."""
        self.stop(name)
        self.start(name, ready_seconds=ready_seconds)

    def stop_all(self) -> None:
        """End all processes, together."""
        with self._lock:
            running = [name for name in self._processes if self._running(name) is not None]
        for name in running:
            self._processes[name].terminate()
        for name in running:
            self.stop(name)

    def _no_longer_wanted(self, name: str) -> subprocess.Popen[bytes] | None:
        """The running process of that name, if any; from now on its end is wanted."""
        with self._lock:
            self._wanted.discard(name)
            return self._running(name)

    def _restart_ended(self) -> None:
        """In a thread of its own: start processes again that have ended."""
        while not self._closing.wait(RESTART_CHECK_SECONDS):
            with self._lock:
                for name in filter(self._is_restarted, self._wanted):
                    self._ensure_running(name)

    def _ensure_running(self, name: str) -> None:
        if self._running(name) is None:
            self._processes[name] = self._spawn(self._specs[name])

    def _is_restarted(self, name: str) -> bool:
        return self._specs[name].restarted and name in self._ready_once

    def _running(self, name: str) -> subprocess.Popen[bytes] | None:
        process = self._processes.get(name)
        return process if process is not None and process.poll() is None else None

    def _spawn(self, spec: ProcessSpec) -> subprocess.Popen[bytes]:
        if self._leash is None:
            raise ProcessError("the supervisor is not open; use it as a context manager")
        read_end = self._leash[0]
        command = leashed(read_end, spec.module, spec.arguments)
        with self.log_file(spec.name).open("ab") as log:
            # A session of its own: Ctrl-C in the terminal is for us to handle.
            return subprocess.Popen(
                command,
                env={**(_clean_environment() if spec.base is None else spec.base), **spec.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(read_end,),
                start_new_session=True,
            )

    def _with_log(self, name: str, message: str) -> str:
        lines = self.log_file(name).read_text(errors="replace").splitlines()[-SHOWN_LINES:]
        shown = "\n".join(f"  {line}" for line in lines)
        return f"{message}; its last log lines:\n{shown}" if shown else f"{message} and logged nothing"


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody listens on at the moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


def _clean_environment() -> dict[str, str]:
    """This process's environment without settings of mcptasks, which would otherwise mix with the specified ones."""
    return {key: value for key, value in os.environ.items() if not key.startswith("MCPTASKS_")}


def _answers(http: httpx2.Client, url: str) -> bool:
    try:
        return http.get(url).status_code == httpx2.codes.OK
    except httpx2.TransportError:
        return False


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return f"signal {signal.Signals(-code).name}"
