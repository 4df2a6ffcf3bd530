"""What must be true of a task after a kill: it ended right, once, and left nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import httpx2

from mcptasks.model.base import JsonObject
from mcptasks.model.task import Reason
from mcptasks.model.task_template import Executor
from tests.e2e.api import ClusterApi, task_of
from tests.e2e.faults.components import Victim
from tests.e2e.faults.model import Finding, Step, Verdict
from tests.e2e.faults.patient_client import NoAnswerError, PatientClient, TaskUnknownError
from tests.e2e.faults.stage import Staged
from tests.e2e.faults.start_marks import StartMarks
from tests.e2e.observer import ClusterObserver

END_SECONDS = 240.0
GONE_SECONDS = 75.0
EVERY_SECONDS = 2.0
SOME_SECONDS = 8.0
CLOCK_SECONDS = 1.0
"""Creation times have whole seconds."""

LOST_WITH_ITS_POD = frozenset({Reason.KILLED_BY_SIGNAL, Reason.PREEMPTED})
"""How a task ends that may not be run again, when its process is killed or its Pod is taken away."""


@dataclass(frozen=True)
class Checks:
    """Looks at tasks, from outside and in the cluster."""

    api: ClusterApi
    client: PatientClient
    observer: ClusterObserver
    marks: StartMarks

    def end(self, staged: Staged, victim: Victim) -> list[Finding]:
        """Wait for the task's end; what is wrong with it. A task that was expiring may be gone already."""
        if staged.step is Step.EXPIRING:
            return []
        try:
            task = self.client.ended(staged.task_id, END_SECONDS)
        except TaskUnknownError:
            return [] if self._had_its_time(staged.task_id) else [Finding(Verdict.LOST, "the server does not know it")]
        except NoAnswerError as error:
            return [Finding(Verdict.STUCK, f"no answer: {error}")]
        if task is None:
            return [Finding(Verdict.STUCK, f"not ended within {END_SECONDS:.0f} s: {self._state(staged.task_id)}")]
        if task["status"] == "failed" and self._fell(staged, victim):
            return []
        return wrong_result(task, staged.size)

    def _fell(self, staged: Staged, victim: Victim) -> bool:
        """Whether the task has failed because what ran it was the victim, and it may not be run again."""
        status = (self._task(staged.task_id) or {}).get("status") or {}
        in_it = status.get("podUid") in victim.struck
        return in_it and not staged.tool.repeatable and status.get("reason") in LOST_WITH_ITS_POD

    def _had_its_time(self, task_id: str) -> bool:
        """Whether the task was seen completed, and its time has come since."""
        task = self.observer.task(task_id)
        expires = expires_at(task)
        completed = (task.get("status") or {}).get("phase") == "completed"
        return completed and expires is not None and time.time() >= expires - CLOCK_SECONDS

    def life(self, staged: Staged, victim: Victim) -> list[Finding]:
        """Wait until the task's time has come and everything of it is gone; what went wrong until then."""
        findings = [] if staged.step is Step.EXPIRING else list(self._until_expiry(staged, victim))
        if left := self._left(staged.task_id, time.time() + GONE_SECONDS):
            findings.append(Finding(Verdict.STUCK, f"still there: {', '.join(left)}"))
        counts = {
            "Jobs": self.observer.jobs(staged.task_id),
            "Pods": self.observer.pods(staged.task_id),
            "starts": self.marks.of(staged.task_id),
        }
        allowed = self._attempts_allowed(staged, victim)
        for kind, count in counts.items():
            if count > allowed:
                findings.append(Finding(Verdict.DUPLICATED, f"{count} {kind}"))
        return findings

    def _attempts_allowed(self, staged: Staged, victim: Victim) -> int:
        """One, and another one where the victim may have taken the first and the tool says that it can be repeated."""
        return 2 if staged.tool.repeatable and victim.struck else 1

    def _until_expiry(self, staged: Staged, victim: Victim) -> Iterator[Finding]:
        task = self._task(staged.task_id)
        if task is None:
            if not self._had_its_time(staged.task_id):
                yield Finding(Verdict.LOST, "gone before its time")
            return
        attempts = (task.get("status") or {}).get("attempts") or 0
        # What a worker gives back, because it cannot begin it, counts as an attempt: there the starts tell.
        if not attempts or (victim.executor is Executor.JOB and attempts > 1):
            yield Finding(Verdict.DUPLICATED, f"{attempts} attempts")
        if victim.executor is Executor.WARM and (task.get("status") or {}).get("executor") != Executor.WARM:
            yield Finding(Verdict.LOST, "no worker has run it")
        yield from self._readable(staged, expires_at(task), victim)

    def _readable(self, staged: Staged, expires: float | None, victim: Victim) -> Iterator[Finding]:
        """The result can be read until it expires, by a client that asks for some seconds if it has to."""
        if expires is None:
            yield Finding(Verdict.STUCK, f"never expires: {self._state(staged.task_id)}")
            return
        last_look = expires - CLOCK_SECONDS
        answered = False
        while (left := last_look - time.time()) > 0:
            try:
                task = self.client.get(staged.task_id, left)
            except TaskUnknownError:
                if time.time() < last_look:
                    yield Finding(Verdict.LOST, f"gone {expires - time.time():.1f} s before its time")
                return
            except NoAnswerError as error:
                if left > SOME_SECONDS or not answered:
                    yield Finding(Verdict.LOST, f"not readable until its time: {error}")
                return
            answered = True
            wrong = wrong_result(task, staged.size)
            if wrong and not self._fell(staged, victim):
                yield from wrong
                return
            time.sleep(min(left, EVERY_SECONDS))

    def _left(self, task_id: str, deadline: float) -> list[str]:
        """What is left of the task at the deadline; empty as soon as nothing is."""
        while True:
            try:
                left = self._objects(task_id)
            except httpx2.HTTPError as error:
                left = [f"the API server does not answer: {error}"]
            if not left or time.time() > deadline:
                return left
            time.sleep(1)

    def _objects(self, task_id: str) -> list[str]:
        found = [f"McpTask {name}" for name in self.api.tasks() if name == task_id]
        items = [("Job", self.api.jobs()), ("Pod", self.api.pods())]
        return found + [kind for kind, many in items for item in many if task_of(item) == task_id]

    def _task(self, task_id: str, seconds: float = 30) -> JsonObject | None:
        deadline = time.time() + seconds
        while True:
            try:
                return self.api.tasks().get(task_id)
            except httpx2.HTTPError:
                if time.time() > deadline:
                    raise
                time.sleep(0.5)

    def _state(self, task_id: str) -> str:
        task = self._task(task_id)
        return str(task.get("status") if task else "gone")[:500]


def wrong_result(task: JsonObject, size: int) -> list[Finding]:
    """What is wrong with a task that ended, as the client sees it."""
    if task["status"] != "completed":
        return [Finding(Verdict.LOST, f"{task['status']}: {str(task.get('statusMessage'))[:300]}")]
    content = (task.get("result") or {}).get("content") or [{}]
    text = str(content[0].get("text", ""))
    return [] if text == "x" * size else [Finding(Verdict.LOST, f"a wrong result: {len(text)} characters")]


def expires_at(task: JsonObject) -> float | None:
    """When the task expires, in seconds since the epoch."""
    text = (task.get("status") or {}).get("expiresAt")
    return datetime.fromisoformat(text).timestamp() if text else None
