"""The words of the fault matrix: steps, verdicts, trials and their summary. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from mcptasks.model.base import JsonObject
from mcptasks.model.task_template import Executor


class Step(StrEnum):
    """Where a task is in its life when the component is killed."""

    CREATED = "created"
    JOB_MADE = "job made"
    PENDING = "pod pending"
    WAITING = "waiting"
    """For a worker."""
    RUNNING = "running"
    DELIVERING = "delivering"
    FINISHED = "finished"
    EXPIRING = "expiring"


YOUNG_STEPS = {Executor.JOB: (Step.PENDING, Step.JOB_MADE), Executor.WARM: (Step.WAITING,)}
"""Between the creation and the start of the tool, the one that takes longest first."""


def steps_of(executor: Executor) -> set[Step]:
    """The steps in the life of a task that is run in this way."""
    others = {young for each, steps in YOUNG_STEPS.items() if each is not executor for young in steps}
    return set(Step) - others


@dataclass(frozen=True)
class FaultTool:
    """A tool that tasks call. `repeatable`: it is idempotent and has retries, so that no kill may end its task."""

    name: str
    repeatable: bool = False


class Verdict(StrEnum):
    """What became of the task. The worst that was seen counts: lost, duplicated, stuck."""

    OK = "ok"
    LOST = "lost"
    DUPLICATED = "duplicated"
    STUCK = "stuck"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a task."""

    verdict: Verdict
    what: str


@dataclass(frozen=True)
class Trial:
    """One task, one kill."""

    component: str
    step: Step
    task_id: str
    seen: str
    seconds: float
    findings: tuple[Finding, ...] = ()

    @property
    def verdict(self) -> Verdict:
        found = {finding.verdict for finding in self.findings}
        return next((v for v in (Verdict.LOST, Verdict.DUPLICATED, Verdict.STUCK) if v in found), Verdict.OK)

    def line(self) -> str:
        """The trial in one line."""
        why = "; ".join(finding.what for finding in self.findings)
        text = f"{self.component:28} {self.step:12} at the kill: {self.seen:22} {self.seconds:5.1f} s  {self.verdict}"
        return f"{text}: {self.task_id}: {why}" if why else text

    def dump(self) -> JsonObject:
        return {
            "component": self.component,
            "step": self.step.value,
            "task": self.task_id,
            "seenAtTheKill": self.seen,
            "seconds": round(self.seconds, 1),
            "verdict": self.verdict.value,
            "findings": [finding.what for finding in self.findings],
        }


@dataclass(frozen=True)
class Summary:
    """How many trials there were, and how many went wrong."""

    trials: int
    lost: int
    duplicated: int
    stuck: int
    left_over: tuple[str, ...] = ()
    """What the workers have not got rid of, or lack, after all trials."""

    @classmethod
    def of(cls, trials: Sequence[Trial], left_over: Sequence[str] = ()) -> Summary:
        counts = Counter(trial.verdict for trial in trials)
        lost, duplicated, stuck = (counts[each] for each in (Verdict.LOST, Verdict.DUPLICATED, Verdict.STUCK))
        return cls(len(trials), lost, duplicated, stuck, tuple(left_over))

    @property
    def clean(self) -> bool:
        return not (self.lost or self.duplicated or self.stuck or self.left_over)

    def line(self) -> str:
        counts = f"trials {self.trials}, lost {self.lost}, duplicated {self.duplicated}, stuck {self.stuck}"
        return f"{counts}, left over: {'; '.join(self.left_over)}" if self.left_over else counts


def describe(task: JsonObject | None, job: JsonObject | None, pod: JsonObject | None) -> str:
    """A task's state in a few words, as the API server tells it."""
    if task is None:
        return "gone"
    status = task.get("status") or {}
    phase = status.get("phase") or "working"
    if phase != "working":
        return str(phase)
    if status.get("startedAt"):
        return "claimed"
    if pod is not None:
        return f"Pod {pod['status'].get('phase', 'Pending')}"
    return "Job, no Pod" if job is not None else "no Job"
