"""Whether a task's object has been made again from a copy, as out of a backup, without what became of the task.

The API server gives each object that is created a new creationTimestamp and a new uid, and takes no status for it. The
server's note of when the call came, an annotation, is copied as it is. So an object that is much younger than its call
is a copy, and whether the tool has run is not known. Whoever restores may also say so, by an annotation of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from mcptasks.model.base import ANNOTATION_CALLED_AT, ANNOTATION_RESTORED, JsonObject, time_of
from mcptasks.model.task import McpTask

YOUNGER_BY = timedelta(minutes=5)
"""How much younger than its call an object is at least that counts as a copy. The server tries for a minute to store a
task, and its clock may not be the API server's."""


def is_restored(task: McpTask) -> bool:
    """Whether the task's object is a copy of an earlier one. Nobody may run it; its status may still be put back."""
    return _is_copy(task.metadata.annotations, task.metadata.creation_timestamp)


def is_restored_object(item: JsonObject) -> bool:
    """The same, of an object as the API server sends it."""
    metadata = item["metadata"]
    return _is_copy(metadata.get("annotations") or {}, time_of(metadata.get("creationTimestamp")))


def _is_copy(annotations: Mapping[str, str], created: datetime | None) -> bool:
    if annotations.get(ANNOTATION_RESTORED) == "true":
        return True
    called = time_of(annotations.get(ANNOTATION_CALLED_AT))
    return called is not None and created is not None and created - called > YOUNGER_BY
