"""What the page of a task shows, made of what was found out about it. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mcptasks.dashboard.plots import LinePlot, Tick, duration, progress_plot, time_ticks
from mcptasks.dashboard.rights import Right
from mcptasks.dashboard.task_changes import QuestionView, question_view
from mcptasks.dashboard.task_commands import PastableCommand, commands_for
from mcptasks.dashboard.task_facts import TaskFindings
from mcptasks.dashboard.task_index import ProgressPoint
from mcptasks.dashboard.task_rows import TaskRow, row_of
from mcptasks.dashboard.timeline import Moment, Timeline, gaps, timeline_of
from mcptasks.dashboard.value_views import ResultView, TreeNode, result_view, tree
from mcptasks.diagnostics.visible_text import visible
from mcptasks.kube.task_attempts import Attempt
from mcptasks.model.base import JsonObject
from mcptasks.model.event_times import last_seen
from mcptasks.model.questions import outstanding
from mcptasks.model.task import ComponentKind, McpTask

Fact = tuple[str, str]


@dataclass(frozen=True)
class EventView:
    """A Kubernetes event."""

    at: datetime | None
    reason: str
    message: str
    about: str
    count: int
    is_warning: bool


@dataclass(frozen=True)
class TaskPageView:
    """All that the page of a task shows besides its log."""

    task: McpTask
    row: TaskRow
    timeline: Timeline
    moments: Sequence[tuple[Moment, timedelta | None]]
    ticks: Sequence[Tick]
    plot: LinePlot | None
    arguments: TreeNode
    result: ResultView | None
    result_note: str
    questions: Sequence[QuestionView]
    commands: Sequence[PastableCommand]
    facts: Mapping[str, Sequence[Fact]]
    events: Sequence[EventView]
    rights: Collection[Right]
    tools_namespace: str | None = None
    """Where the tasks of the server are whose tools can be called here; None where there is none."""

    @property
    def can_cancel(self) -> bool:
        return self.row.is_open and not self.task.spec.cancel and Right.CANCEL in self.rights

    @property
    def can_answer(self) -> bool:
        return Right.ANSWER in self.rights

    @property
    def can_run_again(self) -> bool:
        return Right.CALL in self.rights

    @property
    def can_be_changed(self) -> bool:
        """Whether its tool can be called with other arguments here."""
        is_tool = self.task.spec.component.kind is ComponentKind.TOOL
        return self.can_run_again and is_tool and self.task.namespace == self.tools_namespace

    @property
    def sees_events(self) -> bool:
        return Right.READ_EVENTS in self.rights

    @property
    def can_read_log(self) -> bool:
        return Right.READ_LOG in self.rights


def task_view(
    found: TaskFindings,
    progress: Sequence[ProgressPoint],
    rights: Collection[Right],
    server_url: str | None,
    now: datetime,
    tools_namespace: str | None = None,
) -> TaskPageView:
    """The view of what was found. `tools_namespace`: where tasks of the tools are that can be called here."""
    task = found.task
    timeline = timeline_of(task, found.attempts, now)
    return TaskPageView(
        task=task,
        row=row_of(found.item),
        timeline=timeline,
        moments=gaps(timeline.moments),
        ticks=time_ticks(timedelta(seconds=timeline.seconds)),
        plot=progress_plot(progress),
        arguments=tree(arguments_of(task)),
        result=None if found.result is None else result_view(found.result),
        result_note=found.result_note,
        questions=[question_view(request) for request in outstanding(task)],
        commands=commands_for(task, server_url),
        facts=_facts(found),
        events=[_event(event) for event in found.events],
        rights=rights,
        tools_namespace=tools_namespace,
    )


def arguments_of(task: McpTask) -> object:
    """The call's arguments; as text where whoever has made the task has written something else than JSON."""
    text = task.spec.arguments_text
    try:
        return json.loads(text) if text else task.spec.arguments or {}
    except (ValueError, RecursionError):
        return text


def _facts(found: TaskFindings) -> Mapping[str, Sequence[Fact]]:
    task, attempt = found.task, found.attempt
    spec = task.spec
    sections: dict[str, list[Fact]] = {
        "Call": [
            ("Server", spec.server),
            (spec.component.kind.value.capitalize(), spec.component.name),
            ("Template", spec.template_ref.name),
            ("Caller", _caller(task)),
            ("Protocol", (spec.request.protocol_version or "") if spec.request else ""),
            ("Time limit", duration(timedelta(seconds=spec.timeout_seconds)) if spec.timeout_seconds else ""),
            ("Retries", f"{task.status.retries_used or 0} of {spec.retries} used" if spec.retries else "none"),
            ("Idempotent", "yes" if spec.idempotent else "no"),
        ],
        "Place": [
            ("Executor", task.status.executor or ""),
            ("Pod", task.status.pod_name or (attempt.name if attempt else "")),
            ("Node", task.status.node_name or ""),
            *(_pod_facts(attempt) if attempt else ()),
            ("Job", task.status.job_name or ""),
            ("Attempts", str(task.status.attempts or 0)),
            ("Exit code", "" if task.status.exit_code is None else str(task.status.exit_code)),
        ],
    }
    return {name: [(key, visible(value)) for key, value in facts if value] for name, facts in sections.items()}


def _caller(task: McpTask) -> str:
    principal = task.spec.principal
    if principal is not None:
        return principal.subject or principal.client_id or ""
    return "made with kubectl" if task.spec.request is None else "not signed in"


def _pod_facts(attempt: Attempt) -> list[Fact]:
    containers = attempt.pod["spec"]["containers"]
    container = next((known for known in containers if known["name"] == attempt.container), containers[0])
    resources = container.get("resources") or {}
    return [
        ("Image", str(container.get("image") or "")),
        ("Requests", _amounts(resources.get("requests"))),
        ("Limits", _amounts(resources.get("limits"))),
        ("Container", attempt.outcome()),
    ]


def _amounts(resources: Mapping[str, object] | None) -> str:
    return ", ".join(f"{name} {amount}" for name, amount in sorted((resources or {}).items()))


def _event(event: JsonObject) -> EventView:
    about = event.get("involvedObject") or {}
    return EventView(
        at=last_seen(event),
        reason=visible(str(event.get("reason") or "")),
        message=visible(str(event.get("message") or "")),
        about=f"{about.get('kind', '')} {about.get('name', '')}",
        count=int((event.get("series") or {}).get("count") or event.get("count") or 1),
        is_warning=event.get("type") == "Warning",
    )
