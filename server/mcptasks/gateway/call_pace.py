"""How often a Pod may call for its task at one replica. An honest runner stays far below; if not, it waits a little."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mcptasks.gateway.pods import TaskPod
from mcptasks.gateway.refusals import too_often
from mcptasks.settings import KIB
from mcptasks.tasks.limits import RateLimit


class GatewayCall(StrEnum):
    """What a Pod can call, by the names that the metrics use."""

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


@dataclass(eq=False)
class CallPace:
    """Counts calls for each Pod and task."""

    _calls: Mapping[GatewayCall, RateLimit] = field(default_factory=_limits)
    _question_bytes: RateLimit = field(default_factory=lambda: RateLimit(64 * KIB, burst_seconds=16))

    def check(self, call: GatewayCall, pod: TaskPod, now: float) -> None:
        """Count a call at `now` (seconds of any monotonic clock). Raises RefusedError where there are too many."""
        if not self._calls[call].allows(pod.key, now):
            raise too_often(f"Pod {pod.name} calls too often: {call.value}; try again a little later")

    def check_question_bytes(self, pod: TaskPod, size: int, now: float) -> None:
        """Count the bytes of questions, which are written into the task. Raises RefusedError for too many."""
        if not self._question_bytes.allows(pod.key, now, size):
            raise too_often(f"Pod {pod.name} asks for too much in a short time; try again a little later")
