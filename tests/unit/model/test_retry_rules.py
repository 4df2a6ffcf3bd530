"""Whether another attempt may follow."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from mcptasks.model.retry_rules import AttemptEnd, NextAttempt, next_attempt
from mcptasks.model.task import McpTask


def a_task(used: int | None = None, **spec: Any) -> McpTask:
    """A task that has used up that many retries."""
    return McpTask.model_validate(
        {
            "metadata": {"name": "t"},
            "spec": {"component": {"name": "report"}, **spec},
            "status": {} if used is None else {"retriesUsed": used},
        }
    )


@pytest.mark.parametrize(("end", "retries_disruptions"), list(product(AttemptEnd, [True, False])))
def test_no_other_attempt_unless_the_task_says_so(end: AttemptEnd, retries_disruptions: bool) -> None:
    assert next_attempt(a_task(), end, retries_disruptions=retries_disruptions) is NextAttempt.REFUSED


@pytest.mark.parametrize(
    ("end", "following"),
    [
        (AttemptEnd.CRASHED, NextAttempt.REFUSED),
        (AttemptEnd.DISRUPTED, NextAttempt.FREE),
        (AttemptEnd.REMOVED, NextAttempt.FREE),
    ],
)
def test_a_disruption_of_an_idempotent_tool_uses_up_no_retry(end: AttemptEnd, following: NextAttempt) -> None:
    task = a_task(idempotent=True)
    assert next_attempt(task, end, retries_disruptions=True) is following
    assert next_attempt(task, end, retries_disruptions=False) is NextAttempt.REFUSED


@pytest.mark.parametrize(
    ("end", "following"),
    [
        (AttemptEnd.CRASHED, NextAttempt.RETRY),
        (AttemptEnd.DISRUPTED, NextAttempt.REFUSED),
        (AttemptEnd.REMOVED, NextAttempt.RETRY),
    ],
)
def test_retries(end: AttemptEnd, following: NextAttempt) -> None:
    for used in (None, 0, 1):
        assert next_attempt(a_task(used, retries=2), end, retries_disruptions=False) is following
    assert next_attempt(a_task(2, retries=2), end, retries_disruptions=False) is NextAttempt.REFUSED
