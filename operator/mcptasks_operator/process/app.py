"""The operator as a process: start, lead, work, stop.

Exit codes: 0 after a clean stop (SIGTERM, SIGINT); 1 if a restart helps (the Lease is lost, a watch has failed, the
API server is away at start); 2 if something has to be changed first (kubeconfig, port, lease times).
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import KubeConfigError
from mcptasks.logs import configure_logging
from mcptasks.metrics.endpoint import MetricsPortError, metrics_served
from mcptasks.model.exit_codes import ExitCode
from mcptasks.network.accept_errors import report_accept_errors_sparsely
from mcptasks.settings import Settings, told_of_misspelt
from mcptasks.stores.kept_logs import KeptLogs
from mcptasks.stores.results import Results
from mcptasks.tracing.tracing import NoTracing, Tracing, start_tracing
from mcptasks_operator.metrics import LeadingWork, OperatorMetrics, ProcessState
from mcptasks_operator.process.engine import Engine
from mcptasks_operator.process.health import Health, PortInUseError, Stage, serve_health
from mcptasks_operator.process.leader_election import (
    LeaseConfigError,
    LeaseElection,
    LeaseLostError,
    LeaseTimes,
    new_identity,
)
from mcptasks_operator.process.startup import UnreachableError, wait_for_api_server, wait_for_crds

logger = logging.getLogger(__name__)

USER_AGENT = "mcptasks-operator"
ALL_NAMESPACES = "*"
PATIENCE_RESYNCS = 3
PATIENCE_SECONDS = 60.0
STOP_SECONDS = 5.0
EXIT_SECONDS = 10.0


def run(settings: Settings) -> int:
    """Run the operator until SIGTERM or SIGINT; returns the process's exit code. Blocks.

    Once the work has ended the process ends, within `EXIT_SECONDS` even if something in it cannot be stopped.
    """
    configure_logging(settings.log_format, settings.log_level, all_frames=True)
    for line in told_of_misspelt(os.environ):
        logger.warning("%s", line)
    last_resort: list[threading.Timer] = []

    tracing = start_tracing("mcptasks-operator")

    async def main() -> int:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_on_loop_error)
        report_accept_errors_sparsely(loop)
        code = await operate(settings, tracing=tracing)
        last_resort.append(threading.Timer(EXIT_SECONDS, os._exit, (code,)))
        last_resort[0].daemon = True
        last_resort[0].start()
        return code

    try:
        return asyncio.run(main())
    finally:
        for timer in last_resort:
            timer.cancel()


def _on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what asyncio reports, except about the watch generators that a cancelled kopf leaves open."""
    if "asyncgen" in context:
        logger.debug("%s", context["message"])
    else:
        loop.default_exception_handler(context)


@dataclass(eq=False)
class Stop:
    """A request to stop, from a signal or from the embedding program. Belongs to one event loop."""

    requested: asyncio.Event = field(default_factory=asyncio.Event)

    def request(self) -> None:
        self.requested.set()

    def on_signals(self) -> None:
        """Have SIGTERM and SIGINT request the stop, where this is the main thread."""
        if threading.current_thread() is threading.main_thread():
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self.request)


async def operate(
    settings: Settings,
    stop: Stop | None = None,
    started: Callable[[int], None] = lambda _port: None,
    tracing: Tracing | None = None,
) -> int:
    """Run the operator until `stop` is requested; returns the exit code.

    `started` is called with the port of the health endpoint once the process leads and watches.
    """
    stop = stop or Stop()
    stop.on_signals()
    try:
        _lease_times(settings).check()
        access = ClusterAccess(settings.kubeconfig, settings.context)
        health = Health(patience=PATIENCE_RESYNCS * settings.resync_seconds + PATIENCE_SECONDS)
        metrics = OperatorMetrics(ProcessState(silence=lambda: health.silence))
        async with (
            _results(settings) as results,
            await access.connect(USER_AGENT) as kube,
            serve_health(health, settings.liveness_host, settings.liveness_port) as port,
            metrics_served(metrics.instruments.registry, settings.metrics_host, settings.metrics_port),
        ):
            process = _Process(
                settings,
                kube,
                access.namespace(),
                health,
                metrics,
                stop,
                lambda: started(port),
                tracing=tracing or NoTracing(),
                logs=results.logs,
            )
            return await _until(process.run(), stop)
    except (KubeConfigError, PortInUseError, MetricsPortError, LeaseConfigError, StoreConfigError) as error:
        logger.error("%s", error)
        return ExitCode.USAGE


class StoreConfigError(Exception):
    """The store of results cannot be as the settings say."""


def _results(settings: Settings) -> Results:
    """Where the logs of tasks are kept as well. Raises StoreConfigError."""
    try:
        return Results.from_settings(settings)
    except ValueError as error:
        raise StoreConfigError(str(error)) from error


def _lease_times(settings: Settings) -> LeaseTimes:
    return LeaseTimes(settings.lease_seconds, settings.lease_renew_seconds, settings.lease_retry_seconds)


async def _until(work: Coroutine[Any, Any, int], stop: Stop) -> int:
    """Do the work until it ends by itself or the stop is requested; then cancel it and let it clean up."""
    task = asyncio.ensure_future(work)
    waiter = asyncio.ensure_future(stop.requested.wait())
    try:
        await asyncio.wait((task, waiter), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        logger.info("stopping")
        return ExitCode.OK
    finally:
        for one in (task, waiter):
            one.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await one


@dataclass(eq=False)
class _Process:
    """One run of the operator."""

    settings: Settings
    kube: KubeClient
    own_namespace: str
    health: Health
    metrics: OperatorMetrics
    stop: Stop
    started: Callable[[], None]
    identity: str = field(default_factory=new_identity)
    tracing: Tracing = field(default_factory=NoTracing)
    logs: KeptLogs = field(default_factory=KeptLogs)

    async def run(self) -> int:
        try:
            await wait_for_api_server(self.kube)
        except UnreachableError as error:
            logger.error("%s", error)
            return ExitCode.FAILED
        await wait_for_crds(self.kube)
        election = self._election()
        self.health.enter(Stage.STANDBY)
        await election.acquire()
        try:
            return await self._lead(election)
        finally:
            self.health.enter(Stage.STOPPING)
            await election.release()

    def _election(self) -> LeaseElection:
        settings = self.settings
        namespace = settings.lease_namespace or settings.namespace or self.own_namespace
        on_try = self.health.beat_in(Stage.STANDBY)
        return LeaseElection(
            self.kube, settings.lease_name, namespace, _lease_times(settings), self.identity, on_try=on_try
        )

    def _namespaces(self) -> tuple[str | None, ...]:
        wanted = self.settings.watch_namespaces or [self.settings.namespace or self.own_namespace]
        return (None,) if ALL_NAMESPACES in wanted else tuple(dict.fromkeys(wanted))

    async def _lead(self, election: LeaseElection) -> int:
        """Work until something ends that must not. The Lease is renewed from the first moment on."""
        engine = Engine.build(
            self.kube,
            self.settings,
            self._namespaces(),
            self.identity,
            self.health.beat,
            self.metrics,
            self.tracing,
            home=self.settings.namespace or self.own_namespace,
            logs=self.logs,
        )
        self.health.stalled = lambda: engine.queue.stalled_seconds
        self.metrics.state.work = LeadingWork(engine.queue, engine.cache)
        self.health.enter(Stage.LEADING)
        where = ", ".join(namespace or "all namespaces" for namespace in engine.resync.namespaces)
        logger.info("leading in %s", where)
        tasks = [asyncio.create_task(election.hold()), asyncio.create_task(engine.run(self._watching))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            _log_errors(done)
            return ExitCode.FAILED
        finally:
            self.metrics.state.work = None
            await _cancel(tasks)

    def _watching(self) -> None:
        # kopf has put its own signal handlers in the place of ours.
        self.stop.on_signals()
        self.started()


def _log_errors(done: set[asyncio.Task[None]]) -> None:
    for task in done:
        error = task.exception()
        if isinstance(error, LeaseLostError):
            logger.error("%s; stopping at once", error)
        elif error is not None:
            logger.error("stopping, for a restart: %s", _reasons(error), exc_info=error)


def _reasons(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_reasons(one) for one in error.exceptions)
    return f"{type(error).__name__}: {error}"


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    _, hung = await asyncio.wait(tasks, timeout=STOP_SECONDS)
    if hung:
        logger.warning("%d parts did not stop within %.0f s", len(hung), STOP_SECONDS)
