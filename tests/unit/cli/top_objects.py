"""Objects of tasks and templates, as `mcptasks top` finds them on a cluster."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mcptasks.cli.top_rows import TopFacts, kept_part, pool_rows, top_row
from mcptasks.model.base import JsonObject

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def ago(seconds: float) -> str:
    """The moment so long before now, as the API writes it."""
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def task(name: str, *, tool: str = "report", caller: str = "", created: float = 60, **status: object) -> JsonObject:
    """A task that was made so many seconds ago."""
    spec: JsonObject = {"component": {"name": tool}}
    if caller:
        spec["principal"] = {"subject": caller}
    metadata = {"name": name, "namespace": "team", "uid": f"uid-{name}", "creationTimestamp": ago(created)}
    return {"metadata": metadata, "spec": spec, "status": status}


def running(name: str, *, started: float = 30, current: float | None = None, total: float | None = None) -> JsonObject:
    """A task that a worker runs."""
    item = task(name, phase="working", reason="Running", startedAt=ago(started), podName="warm-1")
    if current is not None:
        item["status"]["progress"] = {"current": current, "total": total, "message": "step"}
    return item


def waiting(name: str, *, created: float = 20, ahead: int = 0) -> JsonObject:
    return task(name, created=created, phase="working", reason="Pending", message="has no place yet", tasksAhead=ahead)


def ended(name: str, phase: str = "completed", reason: str = "Completed", *, finished: float = 5) -> JsonObject:
    usage = {"wallSeconds": 2.0, "cpuSeconds": 1.25, "peakMemoryBytes": 64 * 2**20}
    message = "it is full" if phase == "failed" else None
    times = {"startedAt": ago(finished + 10), "finishedAt": ago(finished)}
    return task(name, created=50, phase=phase, reason=reason, message=message, usage=usage, **times)


def asking(name: str, *messages: str) -> JsonObject:
    requests = [{"key": str(at), "method": "elicitation/create", "message": each} for at, each in enumerate(messages)]
    return task(name, phase="input_required", reason="InputRequired", startedAt=ago(10), inputRequests=requests)


def template(name: str, *, executor: str = "Warm", message: str = "", **status: int) -> JsonObject:
    conditions = [{"type": "WorkersAvailable", "reason": "Quota", "message": message}] if message else []
    metadata = {"name": name, "namespace": "team"}
    return {"metadata": metadata, "spec": {"executor": executor}, "status": {**status, "conditions": conditions}}


def facts(*tasks: JsonObject, templates: list[JsonObject] | None = None, unreachable: float = 0.0) -> TopFacts:
    """What is known of these."""
    rows = [top_row(kept_part(each)) for each in tasks]
    pools = None if templates is None else pool_rows(templates)
    return TopFacts(rows, pools, "namespace team", NOW, unreachable=unreachable)
