"""Conditions in the status of a Job. Pure functions."""

from __future__ import annotations

from datetime import datetime

from mcptasks_embedded.values import times
from mcptasks_embedded.values.json_object import Json


def finished_at(job: Json) -> float | None:
    """When the Job ended, as a Unix time; None while it has neither Complete nor Failed."""
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return times.parse(condition["lastTransitionTime"]).timestamp()
    return None


def condition(status: Json, kind: str) -> Json | None:
    """The condition of type `kind`."""
    for item in status.get("conditions") or ():
        if item["type"] == kind:
            return dict(item)
    return None


def has_condition(status: Json, kind: str) -> bool:
    found = condition(status, kind)
    return found is not None and found["status"] == "True"


def is_job_finished(job: Json) -> bool:
    status = job.get("status") or {}
    return has_condition(status, "Complete") or has_condition(status, "Failed")


def set_condition(status: Json, now: datetime, kind: str, reason: str, message: str, value: str = "True") -> None:
    stamp = times.stamp(now)
    item = {"type": kind, "status": value, "lastProbeTime": stamp, "lastTransitionTime": stamp}
    item |= {"reason": reason, "message": message}
    kept = [other for other in status.get("conditions") or () if other["type"] != kind]
    status["conditions"] = [*kept, item]
