"""Runs the matrix: round after round, a victim each; trials are told as soon as they are over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import httpx2

from tests.e2e.api import ClusterApi
from tests.e2e.cluster import ClusterDeployment
from tests.e2e.embedded import EmbeddedDeployment
from tests.e2e.faults.checks import Checks
from tests.e2e.faults.components import Victim
from tests.e2e.faults.model import Finding, Trial
from tests.e2e.faults.patient_client import PatientClient
from tests.e2e.faults.stage import FaultStage, Pace, Staged
from tests.e2e.faults.start_marks import StartMarks
from tests.e2e.observer import ClusterObserver
from tests.support.mcp import RawClient

WATCHERS = 160
TIMEOUT = httpx2.Timeout(15, connect=3)
"""A connection to a replica that was killed a moment ago, and is not off its Service yet, never comes about."""

EMBEDDED_PACE = Pace(lead=8.0, young=0.45, last=0.15, kept=45.0, finished_kept=20.0)
REAL_PACE = Pace(lead=13.0, young=1.5, last=0.3, kept=60.0, finished_kept=30.0)
"""Containers take longer to start."""


@dataclass(frozen=True)
class Matrix:
    """Trials on one deployment. `tell` gets each trial when it is over."""

    stage: FaultStage
    checks: Checks
    pool: ThreadPoolExecutor
    tell: Callable[[Trial], None]

    def run(self, victims: Sequence[Victim], trials: int) -> list[Trial]:
        """Kill one victim after the other, over and over, until there are enough trials."""
        running: list[Future[Trial]] = []
        for number in range(10 * trials):
            if len(running) >= trials:
                break
            running += self._round(victims[number % len(victims)])
        return [future.result() for future in running]

    def _round(self, victim: Victim) -> list[Future[Trial]]:
        """Kill the victim; returns when all tasks have ended, while they are followed until they are gone."""
        victim.ready()
        struck, firing = self.stage.strike(victim, self.pool)
        started = time.monotonic()
        ends = [self.pool.submit(self._ended, victim, one, started) for one in struck]
        rest = [self.pool.submit(self._rest, victim, one, end) for one, end in zip(struck, ends, strict=True)]
        firing.result()
        victim.ready()
        wait(ends)
        return rest

    def _ended(self, victim: Victim, staged: Staged, started: float) -> _End:
        findings = self.checks.end(staged, victim)
        return _End(time.monotonic() - started, tuple(findings))

    def _rest(self, victim: Victim, staged: Staged, end: Future[_End]) -> Trial:
        ended = end.result()
        found = dict.fromkeys((*ended.findings, *self.checks.life(staged, victim)))
        trial = Trial(victim.name, staged.step, staged.task_id, staged.seen, ended.seconds, tuple(found))
        self.tell(trial)
        return trial


@dataclass(frozen=True)
class _End:
    """When a task was seen to have ended, in seconds from the kill, and what was wrong with it."""

    seconds: float
    findings: tuple[Finding, ...]


@contextmanager
def matrix(
    deployment: ClusterDeployment | EmbeddedDeployment, tell: Callable[[Trial], None], copies: int = 1
) -> Iterator[Matrix]:
    """A matrix on the deployment, with that many tasks at each step of a round."""
    with ExitStack() as stack:
        api = stack.enter_context(ClusterApi(deployment.kubeconfig, deployment.namespace))
        observer = stack.enter_context(ClusterObserver(api))
        client = PatientClient(RawClient(deployment.endpoint, timeout=TIMEOUT))
        stage = FaultStage(api, client, EMBEDDED_PACE if deployment.embedded else REAL_PACE, copies)
        pool = stack.enter_context(ThreadPoolExecutor(WATCHERS))
        marks = stack.enter_context(StartMarks(api))
        yield Matrix(stage, Checks(api, client, observer, marks), pool, tell)
