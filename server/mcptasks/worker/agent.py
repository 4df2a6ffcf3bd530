"""The worker's first process: asks for work, watches over the processes that do it, and hands in what they come to.

It runs nothing of the user's.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from mcptasks.gateway.contract import (
    Assignment,
    DrainOrder,
    EndOrder,
    HeldAttempt,
    Order,
    PrepareOrder,
    RunnerExitCode,
    RunOrder,
    WithdrawOrder,
)
from mcptasks.runner.gateway_client import RetryPace
from mcptasks.runner.gateway_transport import NoGatewayError
from mcptasks.runner.http_gateway_transport import HttpGatewayTransport
from mcptasks.settings import Settings
from mcptasks.worker.child_watch import ChildWatch
from mcptasks.worker.memory_events import oom_kills
from mcptasks.worker.process_source import CannotForkError, ModuleFailedError, ProcessSource
from mcptasks.worker.readiness import readiness_served
from mcptasks.worker.spare_source import SpareSource
from mcptasks.worker.task_attempt import AttemptTerms, TaskAttempt
from mcptasks.worker.work_stream import WorkStream
from mcptasks.worker.zygote_source import StartedZygote, ZygoteSource

logger = logging.getLogger(__name__)

REMEMBERED_ATTEMPTS = 10_000
STOP_RESERVE_SECONDS = 5.0
"""How much of the grace period is kept for what comes after the outcomes."""

CLAIM_SECONDS = 5.0
"""How long a worker that is to end waits for what becomes of the claims that it prepares for, to give them back."""

LEAVING_SECONDS = 5.0
"""How long temporary files may take to be removed before the worker ends."""

LOADING = "the module is being loaded"
TOO_LONG = "that is the start deadline of its template or of the operator (MCPTASKS_START_DEADLINE_SECONDS)"
DRAINING = "this worker takes no more tasks"


@dataclass(frozen=True)
class WorkerTerms:
    """What a worker is started with.

    Args:
        environ: variables of interpreters that load the module anew.
        say_why: is told why the worker ends where that is not its own log's alone.
        silence: seconds without a word of the gateway after which a connection counts as dead.
    """

    settings: Settings
    zygote: StartedZygote
    environ: Mapping[str, str]
    say_why: Callable[[str], None]
    pace: RetryPace
    silence: float


class Agent:
    """Runs until it is told to drain or to stop, or until it cannot make processes any more."""

    def __init__(self, terms: WorkerTerms) -> None:
        self._terms = terms
        self._settings = terms.settings
        self._attempts: dict[TaskAttempt, asyncio.Task[None]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._known: set[HeldAttempt] = set()
        self._oldest: deque[HeldAttempt] = deque()
        self._taken = 0
        self._outcome_is_lost = False
        self._unready: str | None = LOADING
        self._stopping = asyncio.Event()
        self._deliver_until: float | None = None
        self._idle = asyncio.Event()
        self._code = RunnerExitCode.OUTCOME_RECORDED
        self._attempt_terms: AttemptTerms | None = None
        self._load_seconds = 0.0

    async def run(self) -> int:
        """Gives the exit code of the worker."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        with ChildWatch.watching() as children:
            gone = children.ended(self._terms.zygote.pid)
            async with readiness_served(self._settings.worker_host, self._settings.worker_port, lambda: self._unready):
                return await self._load_and_work(children, gone)

    async def _load_and_work(self, children: ChildWatch, gone: asyncio.Future[int]) -> int:
        started = time.monotonic()
        loading = asyncio.create_task(self._loaded(children, gone))
        await self._unless_stopped(loading)
        if not loading.done():
            loading.cancel()
            _kill(self._terms.zygote.pid)
            if self._stopping.is_set():
                return 128 + signal.SIGTERM
            self._terms.say_why(f"{LOADING} still, after {self._settings.start_deadline_seconds} s: {TOO_LONG}")
            return RunnerExitCode.MODULE_NOT_LOADED
        self._load_seconds = time.monotonic() - started
        try:
            source, digest = loading.result()
        except ModuleFailedError as error:
            self._terms.say_why(str(error))
            return RunnerExitCode.MODULE_NOT_LOADED
        try:
            return await self._work(source, digest, children)
        finally:
            await source.aclose()

    async def _loaded(self, children: ChildWatch, gone: asyncio.Future[int]) -> tuple[ProcessSource, str]:
        """Where processes come from, once the module is loaded, and the module's digest. Raises ModuleFailedError."""
        try:
            source = await ZygoteSource.connected(self._terms.zygote, gone, self._settings.worker_concurrency)
        except CannotForkError as error:
            logger.warning(
                "each task gets an interpreter of its own, because %s: that takes more memory, and time where many "
                "tasks come at once",
                error,
            )
            return await SpareSource.started(children, self._terms.environ), error.digest
        return source, source.digest

    async def _work(self, source: ProcessSource, digest: str, children: ChildWatch) -> int:
        transport = HttpGatewayTransport.to(self._settings.gateway_url, self._settings.token_file)
        grace = self._settings.grace_seconds
        self._attempt_terms = AttemptTerms(
            transport=transport,
            source=source,
            grace=grace,
            default_timeout=self._settings.default_timeout_seconds,
            oom_kills=oom_kills,
            pace=self._terms.pace,
            kill_orphans=lambda: children.kill_orphans(self._reapers(source)),
            leaving=self._leaving,
        )
        source.lost.add_done_callback(lambda lost: self._retire(lost.result()))
        stream = WorkStream(
            transport,
            digest,
            self._settings.worker_concurrency,
            lambda: [held for attempt in self._attempts if (held := attempt.held) is not None],
            self._void_preparations,
            self._load_seconds,
            self._terms.silence,
        )
        if not source.lost.done():
            self._unready = None
        logger.info("ready for tasks: module %s", digest[:12])
        asking = asyncio.create_task(self._ask(stream))
        try:
            await self._until_done(asking)
            if self._stopping.is_set():
                await self._stop(grace, asking)
            return self._exit_code()
        finally:
            asking.cancel()
            if self._leaving:
                await asyncio.wait(self._leaving, timeout=LEAVING_SECONDS)
            await transport.aclose()

    def _exit_code(self) -> RunnerExitCode:
        """What is said of the tasks that are claimed for this worker must be true: that it has not begun them."""
        in_doubt = self._outcome_is_lost or bool(self._attempts) or self._stopping.is_set()
        if self._code is RunnerExitCode.WORKER_GIVEN_UP and in_doubt:
            return RunnerExitCode.CRASHED
        return self._code

    def _reapers(self, source: ProcessSource) -> set[int]:
        """The reapers of living attempts, and of those to come. Without a zygote they are children of this process."""
        return {attempt.reaper for attempt in self._attempts if attempt.reaper is not None} | source.idle_reapers

    async def _ask(self, stream: WorkStream) -> None:
        async for order in stream.orders():
            self._obey(order)

    async def _until_done(self, asking: asyncio.Task[None]) -> None:
        """Until there is nothing more to do, or the worker is to stop."""
        waiting = [asyncio.ensure_future(event.wait()) for event in (self._idle, self._stopping)]
        try:
            await asyncio.wait([asking, *waiting], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
        if asking.done() and not asking.cancelled() and (error := asking.exception()) is not None:
            if not isinstance(error, NoGatewayError):
                raise error
            self._terms.say_why(str(error))
            self._code = RunnerExitCode.GATEWAY_UNREACHABLE

    async def _unless_stopped(self, work: asyncio.Task[tuple[ProcessSource, str]]) -> None:
        """Until it is done, the worker is to stop, or its time to start is over."""
        stopping = asyncio.ensure_future(self._stopping.wait())
        deadline = self._settings.start_deadline_seconds
        await asyncio.wait([work, stopping], timeout=deadline, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()

    def _obey(self, order: Order) -> None:
        match order:
            case PrepareOrder(task_id=task_id, uid=uid):
                self._prepared(uid, task_id)
            case RunOrder(uid=uid, assignment=assignment):
                if self._is_new(HeldAttempt(uid, assignment.attempt)):
                    self._take(self._prepared(uid, assignment.task_id), assignment)
            case WithdrawOrder(uid=uid):
                for attempt in self._waiting(uid):
                    attempt.discard()
            case EndOrder(uid=uid, attempt=number):
                for attempt in self._named(HeldAttempt(uid, number)):
                    attempt.end()
            case DrainOrder():
                self._drain()

    def _take(self, attempt: TaskAttempt, assignment: Assignment) -> None:
        """Begin the attempt, or give it back where the worker has had all tasks that it may run, and end after that.

        The gateway counts as well, but two replicas need not know of each other's last claim yet, and one that has
        started since knows nothing of tasks that are not there any more.
        """
        limit = self._settings.worker_tasks
        if limit and self._taken >= limit:
            attempt.give_back("its worker has had all tasks that it may run")
            self._drain()
        self._taken += 1
        attempt.begin(assignment)

    def _is_new(self, held: HeldAttempt) -> bool:
        """Whether it has never been here: a gateway repeats the order to run where it may not have been read."""
        if held in self._known:
            return False
        self._known.add(held)
        self._oldest.append(held)
        if len(self._oldest) > REMEMBERED_ATTEMPTS:
            self._known.discard(self._oldest.popleft())
        return True

    def _named(self, held: HeldAttempt) -> list[TaskAttempt]:
        return [attempt for attempt in self._attempts if attempt.held == held]

    def _waiting(self, uid: str) -> list[TaskAttempt]:
        """The attempt of the task that waits for its claim. One before it may still be delivering its outcome."""
        return [attempt for attempt in self._attempts if attempt.uid == uid and attempt.waits]

    def _prepared(self, uid: str, task_id: str) -> TaskAttempt:
        """An attempt of the task that waits for its claim; a new one if there is none."""
        if waiting := self._waiting(uid):
            return waiting[0]
        assert self._attempt_terms is not None
        attempt = TaskAttempt(uid, task_id, self._attempt_terms)
        if self._deliver_until is not None:
            attempt.stop(self._deliver_until)
        life = self._attempts[attempt] = asyncio.create_task(attempt.live())
        life.add_done_callback(lambda _: self._finished(attempt, life))
        return attempt

    def _finished(self, attempt: TaskAttempt, life: asyncio.Task[None]) -> None:
        del self._attempts[attempt]
        if not life.cancelled() and (error := life.exception()) is not None:
            self._outcome_is_lost = True
            logger.error("an attempt of task %s failed here", attempt.task_id, exc_info=error)
        self._outcome_is_lost |= attempt.outcome_is_lost
        if attempt.left:
            self._retire(f"{attempt.left} processes of task {attempt.task_id} cannot be killed")
        if attempt.cannot_run_because is not None:
            self._retire(attempt.cannot_run_because)
        self._look_whether_done()

    def _void_preparations(self) -> None:
        """The connection is lost: a claim that was being written is repeated if it stands."""
        for attempt in list(self._attempts):
            attempt.discard()

    def _retire(self, why: str) -> None:
        """Take nothing new, and end with a failure when nothing is held: another worker is to take this one's place."""
        if self._code is RunnerExitCode.OUTCOME_RECORDED:
            self._code = RunnerExitCode.WORKER_GIVEN_UP
            self._terms.say_why(f"this worker is given up: {why}")
        self._drain()

    def _drain(self) -> None:
        self._unready = DRAINING
        self._look_whether_done()

    def _look_whether_done(self) -> None:
        if self._unready is DRAINING and not self._attempts:
            self._idle.set()

    async def _stop(self, grace: float, asking: asyncio.Task[None]) -> None:
        """The Pod is to end: so are its tasks, in the same time.

        What is being claimed for it is given back: once it is gone nobody could tell that it has not begun it.
        """
        self._unready = DRAINING
        end = time.monotonic() + grace
        self._deliver_until = end - min(STOP_RESERVE_SECONDS, grace / 2)
        for attempt in list(self._attempts):
            attempt.stop(self._deliver_until)
        claimed = [life for attempt, life in self._attempts.items() if attempt.waits]
        if claimed and not asking.done():
            await asyncio.wait(claimed, timeout=min(CLAIM_SECONDS, grace / 4))
        asking.cancel()
        self._void_preparations()
        if self._attempts:
            await asyncio.wait(self._attempts.values(), timeout=max(end - time.monotonic(), 0.0))


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
