"""A decision: one step to take, or when to ask again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from mcptasks.model.lifecycle import Ending
from mcptasks.model.task import Reason
from mcptasks.model.task_template import Executor
from mcptasks_operator.deciding.gathered_evidence import Need


@dataclass(frozen=True, slots=True)
class Gather:
    """Find something out, then ask again."""

    need: Need


@dataclass(frozen=True, slots=True)
class CreateJob:
    """Create the Job that runs the task or, with executor Warm, is the record of a task that workers run.

    `ttl_seconds` is how long such a record stays after its end.
    """

    executor: Executor = Executor.JOB
    ttl_seconds: int = 0


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """Delete the Job with its Pods, if it still is the one with this uid."""

    uid: str


@dataclass(frozen=True, slots=True)
class OrphanedPod:
    """A Pod that has lost its Job."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class DeletePods:
    """Delete Pods that have lost their Job."""

    pods: tuple[OrphanedPod, ...]


@dataclass(frozen=True, slots=True)
class SetJobTtl:
    """Let the TTL controller remove the finished Job this many seconds after its end."""

    seconds: int


@dataclass(frozen=True, slots=True)
class AdoptWorker:
    """Make the Pod, of a worker that runs this task and no other, the Pod of the Job with this uid."""

    name: str
    uid: str
    job_uid: str


@dataclass(frozen=True, slots=True)
class FinishJob:
    """Write the task's end into the Job with this uid, which the Job controller leaves alone."""

    uid: str


@dataclass(frozen=True, slots=True)
class DeleteTask:
    """Delete the task: it has expired."""


@dataclass(frozen=True, slots=True)
class EndTask:
    """Make the phase terminal. `terminated` says that no process is left, if that is certain already."""

    ending: Ending
    terminated: str | None = None
    attempts: int | None = None


@dataclass(frozen=True, slots=True)
class ShowCause:
    """Show in the status why the task does not go on. `cause` is a stable word: another one is another cause."""

    reason: Reason
    cause: str
    message: str
    attempts: int | None = None
    tasks_ahead: int | None = None


@dataclass(frozen=True, slots=True)
class MarkTerminated:
    """Record that no process is left."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class ReleaseClaim:
    """Give the task back to those that wait for a worker, from `retry_after` on: its worker is gone."""

    message: str
    retry_after: datetime
    uses_retry: bool


@dataclass(frozen=True, slots=True)
class AdmitTask:
    """Give the task one of the places that its limits leave."""


StatusWrite: TypeAlias = EndTask | ShowCause | MarkTerminated | ReleaseClaim | AdmitTask
Step: TypeAlias = (
    Gather | CreateJob | DeleteJob | DeletePods | SetJobTtl | AdoptWorker | FinishJob | DeleteTask | StatusWrite
)


@dataclass(frozen=True, slots=True)
class Notice:
    """A Kubernetes event to post about the task."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The next step if there is one; otherwise in how many seconds to ask again, unless something happens first.

    The notice is posted once the step is done, or at once where there is none.
    """

    step: Step | None = None
    requeue_after: float | None = None
    notice: Notice | None = None
