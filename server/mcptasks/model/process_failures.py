"""Why a task's process ended without an answer, in the words of all tasks: the operator says so of Pods of their own,
the gateway of workers' processes.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass

from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.retry_rules import PREEMPTED_HINT
from mcptasks.model.task import Reason

_SIGNAL_OFFSET = 128

RETRY_HINT = (
    "The tool did nothing wrong: call it again; tools marked idempotent are run again without asking, "
    "unless their template's disruptionPolicy is Fail"
)

_DISRUPTIONS = {
    "PreemptionByScheduler": (Reason.EVICTED, "was preempted by a Pod of higher priority"),
    "DeletionByTaintManager": (Reason.NODE_LOST, "was removed because its node became unusable"),
    "DeletionByPodGC": (Reason.NODE_LOST, "was removed because its node is gone"),
    "EvictionByEvictionAPI": (Reason.EVICTED, "was evicted, as when a node is drained"),
    "TerminationByKubelet": (Reason.EVICTED, "was ended by its node (resource pressure or shutdown)"),
}


@dataclass(frozen=True, slots=True)
class Limit:
    """A number of seconds and the name of the setting that it comes from."""

    seconds: int
    source: str


def deadline_exceeded(limit: Limit, counted_from: str) -> Diagnosis:
    """The attempt ran for too long. `counted_from` says from when on."""
    return Diagnosis(
        Reason.DEADLINE_EXCEEDED,
        f"the process was killed because it ran longer than {limit.seconds} s, counted from {counted_from} "
        f"({limit.source})",
        "Ask for less work at a time or allow more time",
    )


def disrupted(pod_name: str, condition_reason: str, node: str | None, detail: str) -> Diagnosis:
    """The cluster took the Pod away, as its DisruptionTarget condition says."""
    reason, what = _DISRUPTIONS.get(condition_reason, (Reason.EVICTED, "was taken away by the cluster"))
    return Diagnosis(reason, f"Pod {pod_name} {what}{node_suffix(node)}: {detail}", RETRY_HINT)


def node_suffix(node: str | None) -> str:
    """The node for the end of a clause, where it is known."""
    return f" (node {node})" if node else ""


def out_of_memory(memory_limit: str | None, template: str, exit_code: int | None) -> Diagnosis:
    """The kernel ended the process. `memory_limit` is the container's, as the Pod has it."""
    limit = f" of {memory_limit}" if memory_limit else ""
    return Diagnosis(
        Reason.OOM_KILLED,
        f"the process was killed because it used more memory than its limit{limit}",
        f"Ask for less data at a time, or raise resources.limits.memory in McpTaskTemplate {template}",
        exit_code,
    )


def taken_away(pod_name: str | None, how: str, exit_code: int | None = None) -> Diagnosis:
    """The Pod that ran the tool was taken away; `how` begins with the punctuation that it needs."""
    return Diagnosis(
        Reason.PREEMPTED,
        f"Pod {pod_name or 'of the last attempt'} was taken away while it ran the tool{how}",
        PREEMPTED_HINT,
        exit_code,
    )


def ended_by_signal(number: int, exit_code: int, *, deleted: bool = False) -> Diagnosis | None:
    """A signal ended the process; None for a number that no signal has. `deleted`: its Pod was being deleted."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        return None
    outside = "; its Pod was deleted" if deleted else ""
    return Diagnosis(Reason.KILLED_BY_SIGNAL, f"the process was ended by {name}{outside}", exit_code=exit_code)


def signal_of(exit_code: int) -> int:
    """The signal that an exit code tells of, as shells and container runtimes have it; 0 for none."""
    return exit_code - _SIGNAL_OFFSET if exit_code > _SIGNAL_OFFSET else 0


def exit_code_of(signal_number: int) -> int:
    """The exit code that tells of the signal."""
    return _SIGNAL_OFFSET + signal_number


def attempt_suffix(attempts: int) -> str:
    """Says which attempt the last one was, where there were several."""
    return f" (attempt {attempts}, the last one)" if attempts > 1 else ""


def exited(code: int) -> Diagnosis:
    """The process exited by itself and delivered nothing."""
    if code == 0:
        return Diagnosis(
            Reason.RESULT_MISSING,
            "the process ended with exit code 0 but delivered no result",
            "A tool must return its result; it must not end the process itself (sys.exit, os._exit)",
            code,
        )
    return Diagnosis(
        Reason.EXIT_CODE, f"the process ended with exit code {code} and delivered no result", exit_code=code
    )
