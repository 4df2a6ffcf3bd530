"""What the Job controller reads from a Pod. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from mcptasks_embedded.values import times
from mcptasks_embedded.values.json_object import Json

TRACKING = "batch.kubernetes.io/job-tracking"


def is_tracked(pod: Json) -> bool:
    return TRACKING in (pod["metadata"].get("finalizers") or ())


def phase(pod: Json) -> str:
    return str((pod.get("status") or {}).get("phase", "Pending"))


def is_finished(pod: Json) -> bool:
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Json) -> bool:
    return not is_finished(pod) and "deletionTimestamp" not in pod["metadata"]


def is_terminating(pod: Json) -> bool:
    return not is_finished(pod) and "deletionTimestamp" in pod["metadata"]


def is_ready(pod: Json) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def deletion_order(pod: Json) -> tuple[bool, bool, bool, float]:
    """Sorts surplus Pods for deletion: those that have got furthest come last, the oldest of them at the end."""
    created = times.parse(pod["metadata"]["creationTimestamp"])
    return bool(pod["spec"].get("nodeName")), phase(pod) == "Running", is_ready(pod), -created.timestamp()


def ended_at(pod: Json, now: datetime) -> datetime:
    stamps = [
        state["terminated"]["finishedAt"]
        for status in (pod.get("status") or {}).get("containerStatuses") or ()
        if (state := status.get("state") or {}).get("terminated", {}).get("finishedAt")
    ]
    return max((times.parse(stamp) for stamp in stamps), default=now)


def restarts(pod: Json) -> int:
    return sum(item.get("restartCount", 0) for item in _statuses(pod))


def _statuses(pod: Json) -> Iterator[Json]:
    status = pod.get("status") or {}
    yield from status.get("containerStatuses") or ()
    yield from status.get("initContainerStatuses") or ()
