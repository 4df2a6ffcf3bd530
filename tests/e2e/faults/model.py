"""The words of the fault matrix: steps, verdicts, trials and their summary. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from mcptasks.model.base import JsonObject


class Step(StrEnum):
    """Where a task is in its life when the component is killed."""

    CREATED = "created"
    JOB_MADE = "job made"
    PENDING = "pod pending"
    RUNNING = "running"
    DELIVERING = "delivering"
    FINISHED = "finished"
    EXPIRING = "expiring"


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
        text = f"{self.component:22} {self.step:12} at the kill: {self.seen:22} {self.seconds:5.1f} s  {self.verdict}"
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

    @classmethod
    def of(cls, trials: Sequence[Trial]) -> Summary:
        counts = Counter(trial.verdict for trial in trials)
        return cls(len(trials), counts[Verdict.LOST], counts[Verdict.DUPLICATED], counts[Verdict.STUCK])

    @property
    def clean(self) -> bool:
        return not (self.lost or self.duplicated or self.stuck)

    def line(self) -> str:
        return f"trials {self.trials}, lost {self.lost}, duplicated {self.duplicated}, stuck {self.stuck}"


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
