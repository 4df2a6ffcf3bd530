"""The workers of templates as rows of a table: pure functions of Pods and tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from mcptasks.cli.kubectl_tables import distinct_length
from mcptasks.cli.task_description import ago
from mcptasks.diagnostics.visible_text import visible_line
from mcptasks.kube.task_attempts import Attempt
from mcptasks.model.base import ANNOTATION_DRAIN, LABEL_TEMPLATE, JsonObject, time_of
from mcptasks.model.lifecycle import timestamp
from mcptasks.model.task import TERMINAL_PHASES


class WorkerActivity(StrEnum):
    """What a worker does."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    DRAINING = "draining"
    FAILED = "failed"


@dataclass(frozen=True)
class RunningCall:
    """A task that a worker runs."""

    task: str
    component: str
    caller: str | None
    since: datetime | None

    def dump(self) -> JsonObject:
        """As JSON values."""
        since = None if self.since is None else timestamp(self.since)
        found = {"task": self.task, "component": self.component, "caller": self.caller, "since": since}
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True)
class ListedWorker:
    """A worker. `done` are the tasks that it has ended and that are still kept; `detail` is why it is not ready."""

    namespace: str
    name: str
    template: str
    state: WorkerActivity
    node: str
    created_at: datetime | None
    done: int
    calls: tuple[RunningCall, ...] = ()
    detail: str = ""

    def dump(self) -> JsonObject:
        """As JSON values."""
        found: JsonObject = {
            "namespace": self.namespace,
            "name": self.name,
            "template": self.template,
            "state": self.state.value,
            "node": self.node or None,
            "createdAt": None if self.created_at is None else timestamp(self.created_at),
            "tasksDone": self.done,
            "runs": [call.dump() for call in self.calls],
            "detail": self.detail or None,
        }
        return {name: value for name, value in found.items() if value is not None}


def worker_rows(
    pods: Iterable[JsonObject], tasks: Iterable[JsonObject], templates: Sequence[str]
) -> list[ListedWorker]:
    """The workers of these templates (all where there is none), by template and name."""
    by_pod: dict[str, list[JsonObject]] = {}
    for task in tasks:
        uid = (task.get("status") or {}).get("podUid")
        if uid:
            by_pod.setdefault(str(uid), []).append(task)
    rows = [_row(pod, by_pod.get(pod["metadata"]["uid"], [])) for pod in pods if _is_shown(pod)]
    wanted = [row for row in rows if not templates or row.template in templates]
    return sorted(wanted, key=lambda row: (row.namespace, row.template, row.name))


def template_of(pod: JsonObject) -> str:
    """The worker's template: its owner, or what its label says once a task's Job has taken it over."""
    metadata = pod["metadata"]
    owners = metadata.get("ownerReferences") or ()
    owner = next((str(each["name"]) for each in owners if each.get("kind") == "McpTaskTemplate"), None)
    return owner or str((metadata.get("labels") or {}).get(LABEL_TEMPLATE, ""))


def _is_shown(pod: JsonObject) -> bool:
    """Pods that have ended well are no workers any more, and those that a task's Job has taken over are its record."""
    phase = (pod.get("status") or {}).get("phase")
    owners = pod["metadata"].get("ownerReferences") or ()
    is_a_jobs = any(each.get("kind") == "Job" for each in owners)
    return phase != "Succeeded" and not (phase == "Failed" and is_a_jobs)


def _row(pod: JsonObject, tasks: Sequence[JsonObject]) -> ListedWorker:
    metadata = pod["metadata"]
    running = [task for task in tasks if (task.get("status") or {}).get("phase") not in TERMINAL_PHASES]
    state = _state(pod, bool(running))
    return ListedWorker(
        namespace=str(metadata.get("namespace", "")),
        name=str(metadata["name"]),
        template=template_of(pod),
        state=state,
        node=str((pod.get("spec") or {}).get("nodeName") or ""),
        created_at=time_of(metadata.get("creationTimestamp")),
        done=len(tasks) - len(running),
        calls=tuple(sorted((_call(task) for task in running), key=lambda call: call.task)),
        detail=_detail(pod, state),
    )


def _call(task: JsonObject) -> RunningCall:
    spec, principal = task["spec"], task["spec"].get("principal") or {}
    caller = principal.get("subject") or principal.get("clientId")
    since = time_of((task.get("status") or {}).get("startedAt"))
    return RunningCall(str(task["metadata"]["name"]), str(spec["component"]["name"]), caller, since)


def _conditions(pod: JsonObject) -> dict[str, JsonObject]:
    return {each["type"]: each for each in (pod.get("status") or {}).get("conditions") or ()}


def _state(pod: JsonObject, runs_a_task: bool) -> WorkerActivity:
    metadata, ready = pod["metadata"], _conditions(pod).get("Ready", {})
    if (pod.get("status") or {}).get("phase") == "Failed":
        return WorkerActivity.FAILED
    if metadata.get("deletionTimestamp") or (metadata.get("annotations") or {}).get(ANNOTATION_DRAIN) == "true":
        return WorkerActivity.DRAINING
    if runs_a_task:
        return WorkerActivity.BUSY
    return WorkerActivity.IDLE if ready.get("status") == "True" else WorkerActivity.STARTING


def _detail(pod: JsonObject, state: WorkerActivity) -> str:
    if state not in (WorkerActivity.STARTING, WorkerActivity.FAILED):
        return ""
    scheduled = _conditions(pod).get("PodScheduled", {})
    if scheduled.get("status") == "False" and scheduled.get("reason"):
        return f"{scheduled['reason']}: {scheduled.get('message', '')}"
    attempt = Attempt(pod)
    said = str((attempt.state.get("terminated") or attempt.state.get("waiting") or {}).get("message") or "").strip()
    # A container that runs and is not ready is loading its module.
    how = "loads its module" if "running" in attempt.state else attempt.outcome()
    return f"{how}: {said}" if said else how


COLUMNS = (
    ("Name", 0),
    ("Template", 0),
    ("State", 0),
    ("Node", 0),
    ("Age", 0),
    ("Done", 0),
    ("Task", 0),
    ("Runs", 0),
    ("For", 0),
    ("Caller", 1),
    ("Detail", 1),
)
NODE, TASK, RUNS = 3, 6, 7

SHORTEST_TASK = 12


@dataclass(frozen=True)
class WorkerLayout:
    """Which columns there are besides those that always are, and how much of a task's name is shown."""

    nodes: bool = True
    components: bool = True
    task_length: int | None = None

    @property
    def columns(self) -> list[int]:
        """Indices of `COLUMNS`."""
        left_out = {index for index, shown in ((NODE, self.nodes), (RUNS, self.components)) if not shown}
        return [index for index in range(len(COLUMNS)) if index not in left_out]


def layout_for(rows: Sequence[ListedWorker], fits: int | None, width: Callable[[WorkerLayout], int]) -> WorkerLayout:
    """The layout that says most and fits; `width` gives how wide the lines of one are.

    Names of tasks are cut as far as each stays a prefix that only it has, which commands take as well. They begin with
    that of the tool.
    """
    tasks = [call.task for row in rows for call in row.calls]
    if fits is None or width(WorkerLayout()) <= fits:
        return WorkerLayout()
    if width(WorkerLayout(nodes=False)) <= fits:
        return WorkerLayout(nodes=False)
    longest, least = max(map(len, tasks), default=0), max(distinct_length(tasks), SHORTEST_TASK)
    for components in (True, False):
        layout = WorkerLayout(nodes=False, components=components)
        layout = replace(layout, task_length=max(longest - (width(layout) - fits), least))
        if width(layout) <= fits:
            return layout
    return layout


def table_of(rows: Sequence[ListedWorker], now: datetime, layout: WorkerLayout) -> JsonObject:
    """The rows as a `meta.k8s.io/v1` Table: a line for each task that a worker runs, and one for a worker without."""
    lines = [line for row in rows for line in _lines(row, now)]
    return {
        "columnDefinitions": [{"name": COLUMNS[index][0], "priority": COLUMNS[index][1]} for index in layout.columns],
        "rows": [
            {"cells": _laid_out(cells, layout), "object": {"metadata": {"namespace": namespace}}}
            for namespace, cells in lines
        ],
    }


def _laid_out(cells: list[str], layout: WorkerLayout) -> list[str]:
    cells = [*cells[:TASK], cells[TASK][: layout.task_length], *cells[TASK + 1 :]]
    return [cells[index] for index in layout.columns]


def _lines(row: ListedWorker, now: datetime) -> Iterable[tuple[str, list[str]]]:
    known = [row.name, row.template, row.state.value, row.node or "<none>", ago(row.created_at, now), str(row.done)]
    for call in row.calls or (None,):
        runs = ["", "", "", ""] if call is None else _cells(call, now)
        yield row.namespace, [*known, *runs, visible_line(" ".join(row.detail.split()))]


def _cells(call: RunningCall, now: datetime) -> list[str]:
    return [call.task, call.component, ago(call.since, now), call.caller or "<none>"]
