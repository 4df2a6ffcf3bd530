"""How often a Pod may call for its task at one replica. An honest runner stays far below; if not, it waits a little."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from mcptasks.gateway.contract import RefusalCode
from mcptasks.gateway.pods import TaskPod
from mcptasks.gateway.refusals import RefusedError, too_often
from mcptasks.gateway.workers import WorkerPod
from mcptasks.settings import KIB
from mcptasks.tasks.limits import InProgress, RateLimit


class GatewayCall(StrEnum):
    """What a Pod can call for its task, by the names that the metrics use."""

    ASSIGNMENT = "assignment"
    PROGRESS = "progress"
    ASK = "ask"
    ANSWERS = "answers"
    OUTCOME = "outcome"


def _limits() -> dict[GatewayCall, RateLimit]:
    return {
        # Each reads the task, and may answer with all of its arguments.
        GatewayCall.ASSIGNMENT: RateLimit(1, burst_seconds=10),
        # As fast as the shortest progress interval lets a runner report. They are written once an interval.
        GatewayCall.PROGRESS: RateLimit(20),
        # Each writes the task.
        GatewayCall.ASK: RateLimit(2, burst_seconds=10),
        # Each reads the task.
        GatewayCall.ANSWERS: RateLimit(5, burst_seconds=6),
        # Each reads the task, and may bring the largest body that there is.
        GatewayCall.OUTCOME: RateLimit(1, burst_seconds=5),
    }


_STRAY = frozenset({RefusalCode.SUPERSEDED, RefusalCode.TASK_ENDED, RefusalCode.TASK_GONE, RefusalCode.INVALID})


@dataclass(eq=False)
class CallPace:
    """Counts calls for each Pod and task, and the connections of each worker.

    A worker names the attempts that its calls are about, and could name any number. So what it says of attempts that
    are not its own, or not any more, is counted for the Pod.
    """

    _calls: Mapping[GatewayCall, RateLimit] = field(default_factory=_limits)
    _question_bytes: RateLimit = field(default_factory=lambda: RateLimit(64 * KIB, burst_seconds=16))
    _connections: RateLimit = field(default_factory=lambda: RateLimit(1, burst_seconds=10))
    _strays: RateLimit = field(default_factory=lambda: RateLimit(2, burst_seconds=30))
    _undecided: InProgress = field(default_factory=InProgress)

    def check(self, call: GatewayCall, pod: TaskPod, now: float) -> None:
        """Count a call at `now` (seconds of any monotonic clock). Raises RefusedError where there are too many."""
        if not self._calls[call].allows(pod.key, now):
            raise too_often(f"Pod {pod.name} calls too often: {call.value}; try again a little later")

    def check_question_bytes(self, pod: TaskPod, size: int, now: float) -> None:
        """Count the bytes of questions, which are written into the task. Raises RefusedError for too many."""
        if not self._question_bytes.allows(pod.key, now, size):
            raise too_often(f"Pod {pod.name} asks for too much in a short time; try again a little later")

    def check_connection(self, worker: WorkerPod, now: float) -> None:
        """Count a worker's connection for orders. Raises RefusedError where there are too many."""
        if not self._connections.allows(worker.uid, now):
            raise too_often(f"worker {worker.name} connects too often; try again a little later")

    @contextmanager
    def unconfirmed_attempt(self, pod: TaskPod, clock: Callable[[], float]) -> Iterator[None]:
        """A worker's call about an attempt of which it is not known whether it is its own.

        Raises RefusedError where too many of its calls were not, or may not be.
        """
        if not self._strays.has_room(pod.uid, clock(), self._undecided.count(pod.uid)):
            raise too_often(f"worker {pod.name} names too many attempts that are not its own; try again a little later")
        with self._undecided.one_more(pod.uid):
            try:
                yield
            except RefusedError as error:
                if error.code in _STRAY:
                    self._strays.allows(pod.uid, clock())
                raise
