"""What a decision rests on besides the objects that are watched: gathered when it is needed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mcptasks.model.diagnosis import Diagnosis
from mcptasks_operator.deciding.object_facts import WarningEvent
from mcptasks_operator.deciding.turns import Turn


class Need(StrEnum):
    """Something to find out before the next step can be decided."""

    FRESH = "fresh"
    TEMPLATE = "template"
    LOG = "log"
    EVENTS = "events"
    SCALE_UPS = "scale-ups"


class TemplateState(StrEnum):
    """What is known of the template that the task names."""

    UNKNOWN = "unknown"
    FOUND = "found"
    MISSING = "missing"


class RefusalKind(StrEnum):
    """How the API server refused to create the Job."""

    INVALID = "invalid"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class JobRefusal:
    """The API server's answer to an attempt to create the Job."""

    kind: RefusalKind
    message: str


@dataclass(frozen=True, slots=True)
class PoolEvidence:
    """What is known of the workers of the task's template.

    `workers`: how many are ready. `idle`: how many of them have had nothing to do for a while, although they would have
    got any task that waits. `last_taken_at`: when one of them last took a task. `cause`: what keeps workers from being
    ready, while none is. `failure`: why none will be, so that tasks need not wait.
    """

    workers: int = 0
    idle: int = 0
    last_taken_at: datetime | None = None
    cause: Diagnosis | None = None
    failure: Diagnosis | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found out on demand, or is known of other tasks.

    `fresh`: task, Job and Pods have just been read from the API server. `scale_ups`: events of an autoscaler that adds
    a node for one of the Pods, the latest first. `templates`: names of those in the namespace. `watching_since`: when
    this operator began to lead. `last_scheduled_at`: when a Pod from the same Pod template last got a node. `turn`: of
    a task that limits keep from starting, or would. `watched_seconds`: for how long this operator has seen the attempt
    run, or its processes left after its end, by a clock that nobody sets. `waiting`: how many tasks of the same
    template no worker has yet.
    """

    fresh: bool = False
    template: TemplateState = TemplateState.FOUND
    templates: tuple[str, ...] = ()
    refusal: JobRefusal | None = None
    log: tuple[str, ...] | None = None
    warnings: tuple[WarningEvent, ...] | None = None
    scale_ups: tuple[WarningEvent, ...] | None = None
    watching_since: datetime | None = None
    last_scheduled_at: datetime | None = None
    pool: PoolEvidence = PoolEvidence()
    watched_seconds: float = math.inf
    turn: Turn | None = None
    waiting: int = 0
