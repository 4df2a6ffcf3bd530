"""One attempt in the hands of an agent: from the order to make a process until its outcome is acknowledged."""

from __future__ import annotations

import asyncio
import logging
import math
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from mcptasks.gateway.contract import (
    ASSIGNMENT_PATH,
    ATTEMPT_HEADER,
    INPUT_PATH,
    OUTCOME_PATH,
    PROGRESS_PATH,
    TASK_HEADER,
    TASK_UID_HEADER,
    Assignment,
    FailureOutcome,
    HeldAttempt,
    InputReport,
    ProcessOutcome,
    UnstartedOutcome,
)
from mcptasks.logs import bind_task
from mcptasks.model.task import Reason
from mcptasks.runner.delivery import deliver
from mcptasks.runner.gateway_client import (
    GatewayClient,
    GatewayUnreachableError,
    RejectedError,
    RetryPace,
    TaskOverError,
)
from mcptasks.runner.gateway_transport import NoGatewayError, RequestNotSentError
from mcptasks.runner.http_gateway_transport import HttpGatewayTransport
from mcptasks.settings import MIB
from mcptasks.worker.frames import BEGIN, ChannelFrame
from mcptasks.worker.process_source import ModuleFailedError, ProcessSource, SourceLostError
from mcptasks.worker.run_clock import RunClock
from mcptasks.worker.task_handle import ProcessEnd, TaskHandle
from mcptasks.worker.worker_outcomes import EndCauses, WorkerWords, with_words

logger = logging.getLogger(__name__)

LEAVE_SECONDS = 1.5
"""How long a process may take to end once its outcome is handed in: `atexit` handlers have one second of it."""

CHANNEL_SECONDS = 5.0
"""How long the requests of a process that has ended are still read."""

LEAST_DELIVERY_SECONDS = 300.0
"""How long delivery is tried for where the attempt's deadline has passed or is near."""

GIVE_BACK_SECONDS = 1.0

PROCESSES_AT_MOST = 5
"""How many processes are made for one attempt that all end before its task has begun: then it has failed."""

REQUESTS_AT_ONCE = 16
REQUEST_OVERHEAD = 8 * MIB
"""Room for questions, and for what an outcome has besides its result, of which each byte takes at most two."""

PASSED_ON = {("POST", PROGRESS_PATH), ("POST", INPUT_PATH), ("GET", INPUT_PATH)}
"""What a task's process may say to the gateway with its worker's token."""


@dataclass(frozen=True)
class AttemptTerms:
    """What all attempts of a worker have in common.

    Args:
        grace: seconds between SIGTERM and SIGKILL.
        oom_kills: how many processes the kernel has ended for want of memory so far.
        kill_orphans: ends what belongs to no living reaper; gives how many could not be killed.
        leaving: the ends of reapers, which have temporary files to remove.
    """

    transport: HttpGatewayTransport
    source: ProcessSource
    grace: float
    default_timeout: float
    oom_kills: Callable[[], int]
    pace: RetryPace
    kill_orphans: Callable[[], Awaitable[int]]
    leaving: set[asyncio.Task[None]]


class TaskAttempt:
    """Made by the order to prepare. Belongs to the agent's loop.

    `left` is how many of its processes could not be killed, once `live` has ended. `cannot_run_because` says then
    why this worker cannot run tasks at all, if that is so.
    """

    def __init__(self, uid: str, task_id: str, terms: AttemptTerms) -> None:
        self.uid = uid
        self.task_id = task_id
        self.left = 0
        self.cannot_run_because: str | None = None
        self.outcome_is_lost = False
        self._terms = terms
        self._assigned: asyncio.Future[Assignment] = asyncio.get_running_loop().create_future()
        self._discarded = asyncio.Event()
        self._handle: TaskHandle | None = None
        self._begun = False
        self._outcome: bytes | None = None
        self._given_back: str | None = None
        self._causes = EndCauses()
        self._clock: RunClock | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._timers: list[asyncio.TimerHandle] = []
        self._client: GatewayClient | None = None
        self._retry_until = math.inf
        self._seconds = 0.0
        self._making_seconds = 0.0

    @property
    def reaper(self) -> int | None:
        """The pid of the reaper above its process."""
        return None if self._handle is None else self._handle.link.pid

    @property
    def held(self) -> HeldAttempt | None:
        """Its name, once it is claimed."""
        return HeldAttempt(self.uid, self._assigned.result().attempt) if self._assigned.done() else None

    @property
    def waits(self) -> bool:
        """Whether nothing has become of the claim yet."""
        return not self._assigned.done() and not self._discarded.is_set()

    def begin(self, assignment: Assignment) -> None:
        """The claim stands."""
        if not self._assigned.done():
            self._assigned.set_result(assignment)

    def give_back(self, why: str) -> None:
        """Nothing of it will run here, whatever becomes of the claim."""
        self._given_back = why

    def discard(self) -> None:
        """The claim did not come to be. What has begun goes on."""
        if not self._assigned.done():
            self._discarded.set()

    def end(self) -> None:
        """It is over, by the gateway's word."""
        self._causes.ordered = True
        self._terminate()

    def stop(self, until: float) -> None:
        """The worker itself is ending. Delivery goes on until the given moment, by `time.monotonic()`.

        What is not claimed yet is given back once it is.
        """
        self._causes.worker_stopped = True
        self._retry_until = until
        if self._client is not None:
            self._client.retry_until = until
        self._terminate()

    async def live(self) -> None:
        """Until it is discarded, or its outcome is acknowledged or cannot be delivered."""
        with bind_task(self.task_id):
            try:
                outcome = await self._lived()
            except Exception as error:
                logger.exception("the attempt cannot go on")
                outcome = self._broken_off(f"its worker failed: {error}")
            if outcome is not None:
                await self._deliver(self._assigned.result(), outcome)

    async def _lived(self) -> bytes | None:
        """The outcome, once no process of the attempt is left; None where it has been discarded."""
        ended = 0
        while True:
            asked = time.monotonic()
            try:
                handle = self._handle = await self._terms.source.make()
                self._making_seconds = time.monotonic() - asked
            except (SourceLostError, ModuleFailedError) as error:
                return await self._unstarted(error)
            try:
                if not await self._is_to_run():
                    return None
                if (unbegun := self._unbegun()) is not None:
                    return _encoded(unbegun)
                if not handle.ended.done():
                    end = await self._run(handle, self._assigned.result())
                    if end is not None:
                        return self._result(end)
                # It has ended while it waited for its task, or was never made: nothing of the task has run.
                ended += 1
                if ended == PROCESSES_AT_MOST:
                    return self._never_begun(await handle.ended)
            finally:
                await self._gone(handle)
            await asyncio.sleep(self._terms.pace.first)

    def _unbegun(self) -> UnstartedOutcome | ProcessOutcome | None:
        """The outcome, where nothing of the attempt is to run although it is claimed."""
        if self._given_back is not None:
            return UnstartedOutcome(message=self._given_back)
        if self._causes.worker_stopped:
            return UnstartedOutcome(message="its worker is ending")
        if self._causes.ordered:
            return ProcessOutcome(ordered=True, message="it was over before it ran")
        return None

    def _never_begun(self, end: ProcessEnd) -> bytes:
        """Processes here end before they have a task: no other attempt is to be handed to this worker."""
        outcome = self._causes.outcome(end, self._words(end))
        how = f"signal {outcome.signal}" if outcome.signal else f"exit code {outcome.exit_code}"
        ended = f"{PROCESSES_AT_MOST} processes in a row ended before their task had begun"
        self.cannot_run_because = f"{ended}, the last by {how}"
        logger.error("%s", self.cannot_run_because)
        return _encoded(outcome)

    async def _is_to_run(self) -> bool:
        """Wait for what becomes of the claim; gives False where it did not come to be."""
        discarding = asyncio.ensure_future(self._discarded.wait())
        try:
            awaited: list[asyncio.Future[Any]] = [self._assigned, discarding]
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            return self._assigned.done()
        finally:
            discarding.cancel()

    async def _run(self, handle: TaskHandle, assignment: Assignment) -> ProcessEnd | None:
        """How the process has ended; None where the task has not begun in it."""
        handle.label(self.task_id, assignment.attempt, assignment.max_log_bytes)
        before = self._terms.oom_kills()
        limit = assignment.timeout_seconds or self._terms.default_timeout
        started = time.monotonic()
        self._keep_time(RunClock(limit, started))
        relay = asyncio.create_task(self._relay(handle, assignment))
        try:
            end = await handle.ended
            self._seconds = time.monotonic() - started
            await asyncio.wait([relay], timeout=CHANNEL_SECONDS)
        finally:
            relay.cancel()
        if not self._begun and not (self._causes.ordered or self._causes.deadline_exceeded):
            return None
        if end.status is None:
            # What its reaper has left are the worker's own children now.
            end = replace(end, left=await self._terms.kill_orphans())
        self.left = end.left
        self._causes.oom_kills = self._terms.oom_kills() - before
        return end

    def _result(self, end: ProcessEnd) -> bytes:
        if self._outcome is not None:
            return with_words(self._outcome, self._words(end))
        outcome = self._causes.outcome(end, self._words(end))
        how = f"signal {outcome.signal}" if outcome.signal else f"exit code {outcome.exit_code}"
        logger.info("the process has ended without an outcome: %s", how)
        return _encoded(outcome)

    def _words(self, end: ProcessEnd) -> WorkerWords:
        return WorkerWords(
            log_tail=end.tail or None,
            usage=end.usage(self._seconds),
            process_seconds=round(self._making_seconds, 4),
        )

    def _broken_off(self, why: str) -> bytes | None:
        if not self._assigned.done():
            return None
        if not self._begun:
            return _encoded(UnstartedOutcome(message=why))
        return _encoded(ProcessOutcome(signal=signal.SIGKILL, message=why))

    async def _unstarted(self, error: Exception) -> bytes | None:
        """There can be no process; gives what the gateway is to know of it, if the task is claimed."""
        if not await self._is_to_run():
            return None
        logger.error("no process can be made for the task: %s", error)
        if isinstance(error, ModuleFailedError):
            return _encoded(FailureOutcome(reason=Reason.MODULE_NOT_LOADABLE, message=str(error)))
        # The gateway is not to hand it to this worker again and again.
        await asyncio.sleep(GIVE_BACK_SECONDS)
        return _encoded(UnstartedOutcome(message=str(error)))

    async def _gone(self, handle: TaskHandle) -> None:
        """End the process if it is still there, and forget it."""
        for timer in (*self._timers, self._deadline):
            if timer is not None:
                timer.cancel()
        if not handle.ended.done():
            handle.signal(signal.SIGKILL)
            await asyncio.wait([handle.ended])
        self._handle = None
        leaving = asyncio.create_task(self._terms.source.forget(handle))
        self._terms.leaving.add(leaving)
        leaving.add_done_callback(self._terms.leaving.discard)

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, do))

    def _keep_time(self, clock: RunClock) -> None:
        """Have the deadline where the clock says."""
        self._clock = clock
        if self._deadline is not None:
            self._deadline.cancel()
        if clock.since is not None:
            left = max(0.0, clock.left(time.monotonic()))
            self._deadline = asyncio.get_running_loop().call_later(left, self._exceed_deadline)

    def _exceed_deadline(self) -> None:
        if self._outcome is None and not self._causes.ordered:
            self._causes.deadline_exceeded = True
        self._terminate()

    def _terminate(self) -> None:
        """SIGTERM now, SIGKILL after the grace period. Where the task has not begun there is nothing to clean up."""
        if self._handle is None or not self._assigned.done():
            return
        if not self._begun:
            self._kill()
        else:
            self._handle.signal(signal.SIGTERM)
            self._later(self._terms.grace, self._kill)

    def _kill(self) -> None:
        if self._handle is not None and not self._handle.ended.done():
            self._causes.killed = True
            self._handle.signal(signal.SIGKILL)

    async def _relay(self, handle: TaskHandle, assignment: Assignment) -> None:
        """Answer the process's requests, until it can send none."""
        transport = self._terms.transport.naming(_headers(assignment))
        room = asyncio.Semaphore(REQUESTS_AT_ONCE)
        passing: set[asyncio.Task[None]] = set()
        try:
            async for frame in handle.requests(2 * assignment.max_result_bytes + REQUEST_OVERHEAD):
                await room.acquire()
                task = asyncio.create_task(self._answer(handle, frame, assignment, transport))
                passing.add(task)
                task.add_done_callback(passing.discard)
                task.add_done_callback(lambda _: room.release())
        finally:
            for task in passing:
                task.cancel()
        if self._outcome is None and not handle.ended.done():
            self._later(LEAVE_SECONDS, self._cut_off)

    def _cut_off(self) -> None:
        if self._handle is not None and not self._handle.ended.done():
            self._causes.cut_off = True
            self._kill()

    async def _answer(
        self, handle: TaskHandle, frame: ChannelFrame, assignment: Assignment, transport: HttpGatewayTransport
    ) -> None:
        number, method, path = (frame.header.get(name) for name in ("id", "method", "path"))
        if method == BEGIN:
            self._begun = True
        elif (method, path) == ("GET", ASSIGNMENT_PATH):
            await handle.answer(ChannelFrame({"id": number, "status": 200}, _encoded(assignment)))
        elif (method, path) == ("POST", OUTCOME_PATH):
            self._outcome = frame.body
            await handle.answer(ChannelFrame({"id": number, "status": 204}))
            self._later(LEAVE_SECONDS, self._kill)
        elif (method, str(path).partition("?")[0]) in PASSED_ON:
            try:
                reply = await transport.send(str(method), str(path), frame.body or None)
            except (RequestNotSentError, NoGatewayError) as error:
                await handle.answer(ChannelFrame({"id": number, "error": str(error)}))
            else:
                if (method, path) == ("POST", INPUT_PATH) and reply.is_success:
                    self._note_questions(frame.body)
                await handle.answer(ChannelFrame({"id": number, "status": reply.status}, reply.body))
        else:
            await handle.answer(ChannelFrame({"id": number, "status": 404}))

    def _note_questions(self, report: bytes) -> None:
        """The gateway has taken the task's questions: while there are any, the task's time stands still."""
        if self._clock is not None:
            now = time.monotonic()
            asked = InputReport.model_validate_json(report).questions
            self._keep_time(self._clock.waiting(now) if asked else self._clock.running(now))

    async def _deliver(self, assignment: Assignment, outcome: bytes) -> None:
        client = self._client = GatewayClient(self._terms.transport.naming(_headers(assignment)), self._terms.pace)
        client.retry_until = self._retry_until
        timeout = assignment.timeout_seconds or self._terms.default_timeout
        try:
            await deliver(client, outcome, time.monotonic() + max(LEAST_DELIVERY_SECONDS, timeout))
        except TaskOverError as error:
            logger.info("the task is over: %s", error)
        except (GatewayUnreachableError, RejectedError) as error:
            self.outcome_is_lost = True
            logger.error("the outcome is lost: %s", error)


def _headers(assignment: Assignment) -> dict[str, str]:
    return {
        TASK_HEADER: assignment.task_id,
        TASK_UID_HEADER: assignment.uid,
        ATTEMPT_HEADER: str(assignment.attempt),
    }


def _encoded(message: Assignment | ProcessOutcome | FailureOutcome | UnstartedOutcome) -> bytes:
    return message.model_dump_json(by_alias=True, exclude_none=True).encode()
