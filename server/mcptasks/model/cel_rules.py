"""The validation rules in the CRDs, each in CEL for the API server and in Python for the embedded cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mcptasks.model.base import JsonObject
from mcptasks.model.task import TERMINAL_PHASES, McpTaskSpec


@dataclass(frozen=True)
class Rule:
    """A CEL validation rule with its meaning in Python, which the embedded cluster evaluates in CEL's place.

    `check(self, old_self)` gets JSON values; `old_self` is None where there is no earlier value.
    """

    cel: str
    message: str
    check: Callable[[Any, Any], bool]


_MUTABLE_SPEC_FIELDS = frozenset({"cancel"})
_FREE_FORM_SPEC_FIELDS = frozenset({"arguments", "request"})
_COMPARABLE_SPEC_FIELDS = tuple(
    field.alias or name
    for name, field in McpTaskSpec.model_fields.items()
    if (field.alias or name) not in _MUTABLE_SPEC_FIELDS | _FREE_FORM_SPEC_FIELDS
)
"""The immutable fields that CEL can compare one by one.

Free-form JSON has no schema, and a rule cannot name it; a rule on the whole spec compares it rightly. (Given a schema
of `type: object`, the API server's equality looks only at keys that both sides have, so that a renamed key would pass:
seen on Kubernetes 1.36.) So everything is compared as a whole, except in the one update that sets `cancel`.
"""


def _unchanged(field: str) -> str:
    """CEL for "this field is as it was"."""
    return f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"


def equal_in_cel(left: Any, right: Any) -> bool:
    """Equality of JSON values as CEL has it.

    Unlike with Python's `==`, true is not 1 and false is not 0. Numbers are equal by value: 1 is 1.0. (In free-form
    JSON a real API server also refuses 1.0 in place of 1, although it would store it as 1.)
    """
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal_in_cel(value, right[name]) for name, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal_in_cel, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _spec_is_frozen(new: Any, old: Any) -> bool:
    if old is None:
        return True
    if equal_in_cel(new.get("cancel"), old.get("cancel")):
        return equal_in_cel(new, old)
    return all(equal_in_cel(new.get(field), old.get(field)) for field in _COMPARABLE_SPEC_FIELDS)


def _cancel_is_one_way(new: Any, old: Any) -> bool:
    return old is None or not old.get("cancel") or bool(new.get("cancel"))


def _status(resource: Any) -> JsonObject:
    return (resource or {}).get("status") or {}


def _phase_is_sticky(new: Any, old: Any) -> bool:
    phase = _status(old).get("phase")
    return phase not in TERMINAL_PHASES or _status(new).get("phase") == phase


def _result_is_sticky(new: Any, old: Any) -> bool:
    phase = _status(old).get("phase")
    return phase not in TERMINAL_PHASES or equal_in_cel(_status(new).get("result"), _status(old).get("result"))


_WAS_TERMINAL = (
    "has(oldSelf.status) && has(oldSelf.status.phase) && oldSelf.status.phase in ['completed', 'failed', 'cancelled']"
)

SPEC_RULES = (
    Rule(
        cel="self.cancel == oldSelf.cancel ? self == oldSelf : "
        + " && ".join(f"({_unchanged(field)})" for field in _COMPARABLE_SPEC_FIELDS),
        message="spec is immutable, except that cancel may become true; make a new task instead",
        check=_spec_is_frozen,
    ),
    Rule(
        cel="!(has(oldSelf.cancel) && oldSelf.cancel) || (has(self.cancel) && self.cancel)",
        message="a cancelled task cannot be revived: spec.cancel stays true",
        check=_cancel_is_one_way,
    ),
)

TASK_RULES = (
    Rule(
        cel=(
            f"!({_WAS_TERMINAL}) || "
            "(has(self.status) && has(self.status.phase) && self.status.phase == oldSelf.status.phase)"
        ),
        message="the task has ended: a terminal phase never changes",
        check=_phase_is_sticky,
    ),
    Rule(
        cel=(
            f"!({_WAS_TERMINAL}) || (has(self.status) && has(self.status.result) == has(oldSelf.status.result)"
            " && (!has(self.status.result) || self.status.result == oldSelf.status.result))"
        ),
        message="the task has ended: its result never changes",
        check=_result_is_sticky,
    ),
)


def _warm(spec: Any) -> JsonObject:
    return spec.get("warm") or {}


TEMPLATE_RULES = (
    Rule(
        cel="!has(self.warm) || self.executor == 'Warm'",
        message="warm is for templates with executor: Warm",
        check=lambda new, _: "warm" not in new or new.get("executor") == "Warm",
    ),
    Rule(
        cel="!has(self.warm) || self.warm.minWorkers <= self.warm.maxWorkers",
        message="warm.minWorkers must not be above warm.maxWorkers",
        check=lambda new, _: _warm(new).get("minWorkers", 1) <= _warm(new).get("maxWorkers", 10),
    ),
    Rule(
        cel="!has(self.warm) || self.warm.concurrency == 1 || self.warm.tasksPerWorker == 0",
        message="warm.concurrency above 1 needs warm.tasksPerWorker 0: otherwise a worker runs one task at a time",
        check=lambda new, _: _warm(new).get("concurrency", 1) == 1 or _warm(new).get("tasksPerWorker", 1) == 0,
    ),
    Rule(
        cel="self.executor != 'Warm' || !has(self.queueName) || self.queueName == ''",
        message="queueName is for executor: Job: workers are not queued",
        check=lambda new, _: new.get("executor") != "Warm" or not new.get("queueName"),
    ),
)

CEL_RULES: Mapping[str, Callable[[Any, Any], bool]] = {
    rule.cel: rule.check for rule in (*SPEC_RULES, *TASK_RULES, *TEMPLATE_RULES)
}
"""Python equivalent of every CEL rule in the CRDs, by the rule's text."""
