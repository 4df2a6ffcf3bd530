"""A sample of the fault matrix: the code of `make faults`, a few rounds."""

from __future__ import annotations

import pytest

from mcptasks.model.task_template import Executor
from tests.e2e.conftest import Deployment
from tests.e2e.faults.components import victims
from tests.e2e.faults.matrix import matrix
from tests.e2e.faults.model import Finding, Step, Summary, Trial, Verdict, steps_of
from tests.e2e.faults.start_marks import MARK, starts_in
from tests.e2e.faults.worker_parts import WorkerPart, unsettled, warm_victims, worker_pools

pytestmark = pytest.mark.long

SAMPLED = ["operator", "kube-apiserver"]
"""Server and Redis have tests of their own; the whole matrix has them all."""

SAMPLED_WORKERS = [f"{WorkerPart.AGENT}, reused", f"{WorkerPart.ZYGOTE}, reused", f"{WorkerPart.POD}, once"]


@pytest.mark.timeout(420)
def test_no_kill_at_any_step_loses_or_repeats_a_task(deployment: Deployment) -> None:
    known = {victim.name: victim for victim in victims(deployment)}
    chosen = [known[name] for name in SAMPLED if name in known]
    told: list[Trial] = []
    with matrix(deployment, told.append) as trials:
        done = trials.run(chosen, 8 * len(chosen))
    summary = Summary.of(done)
    assert summary.clean, "\n".join([*(trial.line() for trial in done if trial.findings), summary.line()])
    steps = steps_of(Executor.JOB)
    assert {(trial.component, trial.step) for trial in told} == {(v.name, step) for v in chosen for step in steps}


@pytest.mark.timeout(900)
def test_no_loss_of_a_part_of_a_worker_loses_or_repeats_a_task(deployment: Deployment) -> None:
    pools = worker_pools(deployment)
    chosen = [victim for victim in warm_victims(deployment, pools) if victim.name in SAMPLED_WORKERS]
    told: list[Trial] = []
    try:
        with matrix(deployment, told.append, copies=2) as trials:
            done = trials.run(chosen, 12 * len(chosen))
        summary = Summary.of(done, unsettled(pools))
    finally:
        for pool in pools:
            pool.remove()
    assert summary.clean, "\n".join([*(trial.line() for trial in done if trial.findings), summary.line()])
    steps = steps_of(Executor.WARM)
    assert {(trial.component, trial.step) for trial in told} == {(v.name, step) for v in chosen for step in steps}


def test_starts_are_counted_by_task_in_the_logs_of_workers() -> None:
    log = f"ready\n[a-1/1] {MARK}\n[b-2/1] something\n[b-2/1] {MARK}\n[b-2/2] {MARK}\n{MARK}\n"
    assert starts_in(log) == {"a-1": 1, "b-2": 2}


def test_the_worst_finding_counts_and_the_summary_counts_each_trial_once() -> None:
    stuck, lost = Finding(Verdict.STUCK, "still there: Job"), Finding(Verdict.LOST, "failed")
    trials = [
        Trial("redis", Step.RUNNING, "a", "claimed", 1.0),
        Trial("redis", Step.RUNNING, "b", "claimed", 1.0, (stuck, lost)),
        Trial("redis", Step.RUNNING, "c", "claimed", 1.0, (stuck,)),
    ]
    assert Summary.of(trials).line() == "trials 3, lost 1, duplicated 0, stuck 1"
    assert not Summary.of(trials).clean
    assert trials[1].line().endswith("lost: b: still there: Job; failed")
