"""What a task's object says of the worker that has it."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks.gateway.task_holding import Holding, claim_of, holding, may_be_claimed
from mcptasks.model.base import ANNOTATION_CALLED_AT, JsonObject

RESTORED = {"creationTimestamp": "2026-01-02T00:00:00Z", "annotations": {ANNOTATION_CALLED_AT: "2026-01-01T00:00:00Z"}}
GONE = [{"type": "PodsTerminated", "status": "True"}]


def task(status: JsonObject | None = None, metadata: JsonObject | None = None, **spec: Any) -> JsonObject:
    return {"metadata": {"name": "a", "uid": "u", **(metadata or {})}, "spec": spec, "status": status or {}}


def claimed(uid: str | None = "w1", attempts: int = 1, **status: Any) -> JsonObject:
    return task({"executor": "Warm", "podUid": uid, "attempts": attempts, **status})


@pytest.mark.parametrize(
    ("item", "stands"),
    [
        (claimed(), Holding.RUNS),
        (task(), Holding.RUNS),
        (claimed(None, 0), Holding.RUNS),
        (claimed(phase="cancelled"), Holding.OVER),
        (claimed(phase="completed", conditions=[]), Holding.OVER),
        (claimed(phase="completed", conditions=GONE), Holding.DONE),
        (claimed() | {"metadata": {"deletionTimestamp": "now"}}, Holding.OVER),
        (claimed(None), Holding.LOST),
        (claimed("w2", 2), Holding.LOST),
        (claimed("w1", 2), Holding.LOST),
        (claimed("w2", 2, phase="completed", conditions=GONE), Holding.DONE),
    ],
)
def test_an_attempt_stands_as_its_task_says_if_that_is_not_older_than_the_claim(
    item: JsonObject, stands: Holding
) -> None:
    assert holding(item, "w1", 1) is stands


@pytest.mark.parametrize(
    ("item", "free"),
    [
        (task(), True),
        (task({"phase": "working", "reason": "Pending"}), True),
        (claimed(None), True),
        (claimed(), False),
        (task({"podUid": "cold"}), False),
        (task({"phase": "failed"}), False),
        (task(cancel=True), False),
        (task(maxConcurrent=2), False),
        (task(maxRunningPerCaller=2), False),
        (task({"admittedAt": "now"}, maxConcurrent=2), True),
        (task(metadata={"deletionTimestamp": "now"}), False),
        (task(metadata=RESTORED), False),
    ],
)
def test_a_task_may_be_claimed_that_nobody_has_and_nobody_wants_to_end(item: JsonObject, free: bool) -> None:
    assert may_be_claimed(item) is free


def test_only_a_workers_claim_is_one() -> None:
    assert claim_of(claimed("w1", 2)) == ("w1", 2)
    assert claim_of(task({"podUid": "cold", "attempts": 1})) is None
    assert claim_of(claimed(None)) is None
