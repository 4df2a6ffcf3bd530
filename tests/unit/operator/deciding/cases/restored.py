"""Cases of tasks whose objects have been made again from a backup."""

from __future__ import annotations

from mcptasks.model.base import ANNOTATION_CALLED_AT, ANNOTATION_RESTORED, JsonObject
from mcptasks.model.lifecycle import timestamp
from mcptasks.model.task import Phase, Reason
from mcptasks_operator.deciding.decisions import CreateJob, EndTask, Gather
from mcptasks_operator.deciding.gathered_evidence import Need
from tests.unit.operator.builders import at, make_task
from tests.unit.operator.deciding.cases.case import CLAIMED, FRESH, Case


def called(seconds: float) -> JsonObject:
    """Metadata of a task that was called so many seconds before its object was made."""
    return {"annotations": {ANNOTATION_CALLED_AT: timestamp(at(-seconds))}}


CASES = [
    Case("a call that was stored late gets its Job", CreateJob, make_task(metadata=called(299))),
    Case(
        "a call whose time is no time gets its Job",
        CreateJob,
        make_task(metadata={"annotations": {ANNOTATION_CALLED_AT: "x"}}),
    ),
    Case(
        "a restored task gets no Job: its status may come yet",
        None,
        make_task(metadata=called(301)),
        now=20,
        requeue=100,
    ),
    Case(
        "a restored task whose status does not come ends",
        EndTask,
        make_task(metadata=called(301)),
        now=121,
        reason=Reason.RESTORED,
        phase=Phase.FAILED,
        says="Whether the tool has run is not known",
    ),
    Case(
        "a task that is marked as restored gets no Job either",
        None,
        make_task(metadata={"annotations": {ANNOTATION_RESTORED: "true"}}),
        now=20,
        requeue=100,
    ),
    Case(
        "so does an idempotent one: nobody may be waiting for it any more",
        EndTask,
        make_task(metadata=called(86_400), spec={"idempotent": True}),
        now=121,
        reason=Reason.RESTORED,
    ),
    Case(
        "one that is wanted no more is cancelled at once",
        EndTask,
        make_task(metadata=called(301), spec={"cancel": True}),
        phase=Phase.CANCELLED,
        reason=Reason.CANCELLED_BY_SPEC,
    ),
    Case(
        "one that ran when it was backed up gets no other Job: it is looked whether its Job is there",
        Gather,
        make_task(metadata=called(301), status=CLAIMED),
        need=Need.FRESH,
    ),
    Case(
        "and ends",
        EndTask,
        make_task(metadata=called(301), status=CLAIMED),
        evidence=FRESH,
        phase=Phase.CANCELLED,
        reason=Reason.JOB_DELETED,
    ),
]
