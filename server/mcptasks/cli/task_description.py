"""A task described for people: pure functions of what the cluster knows."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from mcptasks.diagnostics.visible_text import visible_line
from mcptasks.kube.task_attempts import Attempt, runs_in_worker
from mcptasks.model.base import JsonObject
from mcptasks.model.event_times import last_seen
from mcptasks.model.excerpts import without_middle
from mcptasks.model.lifecycle import SUCCEEDED
from mcptasks.model.progress_text import number_text
from mcptasks.model.task import Condition, InputRequest, McpTask, McpTaskSpec, McpTaskStatus
from mcptasks.settings import MIB

INDENT = "  "
GAP = 2
SHOWN_CHARACTERS = 2000
UNSET = "<unset>"
NARROWEST = 20
"""Columns that prose needs at least."""

Row = tuple[str, str]


@dataclass(frozen=True)
class TaskFacts:
    """Everything that the cluster knows of a task at one moment."""

    task: McpTask
    job: JsonObject | None
    attempts: Sequence[Attempt]
    events: Sequence[JsonObject]
    log_lines: Sequence[str]
    now: datetime

    @property
    def last_lines(self) -> Sequence[str]:
        """The end of the Pod's log, or, where that is gone, what the task has kept of it."""
        return self.log_lines or (self.task.status.log_tail or "").splitlines()


def describe(facts: TaskFacts, width: int | None = None) -> str:
    """The description, in sections; those without content are left out.

    `width` is that of the terminal, to which prose is wrapped. What may be copied, arguments, results and log lines,
    stays as it is.
    """
    inner = None if width is None else width - len(INDENT)
    sections = [
        _pairs(_identity(facts)),
        _section("Spec", _pairs(_spec(facts.task.spec))),
        _section("Status", _pairs(_status(facts.task.status, facts.now), inner)),
        _section("Times", _pairs(_times(facts))),
        _section("Conditions", _columns(_conditions(facts.task.status, facts.now), inner)),
        _section("Attempts", _columns(_attempts(facts), inner)),
        _section("Result", _result(facts.task.status)),
        _section("Events", _columns(_events(facts), inner) or ["<none>"]),
        _section("Last log lines", map(_shortened, facts.last_lines)),
    ]
    return "\n".join(line for section in sections for line in section)


def ago(moment: datetime | None, now: datetime) -> str:
    """How long ago, as kubectl writes it; `<unknown>` where there is no moment."""
    return "<unknown>" if moment is None else lasting((now - moment).total_seconds())


def lasting(duration: float) -> str:
    """A time in seconds as kubectl writes ages: `45s`, `3m5s`, `2h10m`, `3d`."""
    seconds = max(0, int(duration))
    if seconds < 120:
        return f"{seconds}s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    return f"{hours}h" if hours < 48 else f"{days}d"


def _identity(facts: TaskFacts) -> list[Row]:
    task = facts.task
    metadata = task.metadata
    owners = [f"{owner.kind}/{owner.name}" for owner in metadata.owner_references]
    job = "" if facts.job is None else " (exists)"
    return [
        ("Name", task.name),
        ("Namespace", task.namespace),
        ("UID", task.uid),
        ("Labels", "\n".join(f"{key}={value}" for key, value in sorted(metadata.labels.items()))),
        ("Owned by", ", ".join(owners)),
        ("Job", f"{task.status.job_name}{job or ' (gone)'}" if task.status.job_name else ""),
        ("Pod", task.status.pod_name or ""),
        ("Node", task.status.node_name or ""),
    ]


def _spec(spec: McpTaskSpec) -> list[Row]:
    principal = spec.principal
    return [
        ("Server", spec.server),
        ("Component", f"{spec.component.kind} {spec.component.name}"),
        ("Arguments", _shortened(json.dumps(spec.arguments, ensure_ascii=False))),
        ("Template", spec.template_ref.name),
        ("TTL", UNSET if spec.ttl_ms is None else f"{number_text(spec.ttl_ms / 1000)}s"),
        ("Timeout", UNSET if spec.timeout_seconds is None else f"{spec.timeout_seconds}s"),
        ("Input timeout", "" if spec.input_timeout_seconds is None else f"{spec.input_timeout_seconds}s"),
        ("Retries", str(spec.retries)),
        ("Idempotent", str(spec.idempotent).lower()),
        ("Principal", "" if principal is None else str(principal.subject or principal.client_id or "")),
        ("Protocol", (spec.request.protocol_version or "") if spec.request else ""),
        ("Cancel", "true" if spec.cancel else ""),
    ]


def _asked(request: InputRequest) -> str:
    state = " (answered)" if request.answered else ""
    return f"{request.key} {request.method}: {_shortened(request.message or '')}{state}"


def _status(status: McpTaskStatus, now: datetime) -> list[Row]:
    progress = status.progress
    shown = "" if progress is None else " ".join(filter(None, (progress.display, progress.message)))
    return [
        ("Phase", str(status.phase or "working (not seen by the operator yet)")),
        ("Reason", status.reason or ""),
        ("Message", _shortened(_explanation(status))),
        ("Asks", "\n".join(_asked(request) for request in status.input_requests or ())),
        ("Progress", shown),
        ("Attempts", "" if status.attempts is None else str(status.attempts)),
        ("Used", _used(status)),
        ("Exit code", "" if status.exit_code is None else str(status.exit_code)),
        ("Error", "" if status.error is None else f"{status.error.code}: {status.error.message}"),
        ("Updated", "" if status.last_updated_at is None else f"{ago(status.last_updated_at, now)} ago"),
    ]


def _used(status: McpTaskStatus) -> str:
    usage = status.usage
    if usage is None:
        return ""
    memory = f"{usage.peak_memory_bytes / MIB:.0f} MiB of memory"
    return f"{usage.wall_seconds:.3g} s, {usage.cpu_seconds:.3g} s of CPU, up to {memory}"


def _explanation(status: McpTaskStatus) -> str:
    """The status's message; what the tool raised is only in the condition's."""
    message = status.message or ""
    succeeded = next((c.message or "" for c in status.conditions or () if c.type == SUCCEEDED), "")
    return succeeded if len(succeeded) > len(message) else message


def _times(facts: TaskFacts) -> list[Row]:
    task, status = facts.task, facts.task.status
    created = task.metadata.creation_timestamp
    rows = [("Created", _moment(created, facts.now))]
    rows.append(("Started", _moment(status.started_at, facts.now, since=created)))
    rows.append(("Finished", _moment(status.finished_at, facts.now, since=status.started_at)))
    if status.expires_at is not None:
        left = (status.expires_at - facts.now).total_seconds()
        rows.append(("Expires", f"{_stamp(status.expires_at)} ({'now' if left <= 0 else f'in {left:.0f}s'})"))
    return rows


def _conditions(status: McpTaskStatus, now: datetime) -> list[list[str]]:
    if not status.conditions:
        return []
    return [["Type", "Status", "Reason", "Age", "Message"], *(_condition(c, now) for c in status.conditions)]


def _condition(condition: Condition, now: datetime) -> list[str]:
    return [
        condition.type,
        condition.status,
        condition.reason,
        ago(condition.last_transition_time, now),
        _one_line(condition.message),
    ]


def _attempts(facts: TaskFacts) -> list[list[str]]:
    rows = [[str(number), a.name, a.outcome()] for number, a in enumerate(facts.attempts, 1)]
    if runs_in_worker(facts.task):
        # The Pod is its worker's: it may go on, and says nothing of this task's end.
        rows = [[str(facts.task.status.attempts or 1), str(facts.task.status.pod_name), _in_worker(facts.task)]]
    return [["No.", "Pod", "State"], *rows] if rows else []


def _in_worker(task: McpTask) -> str:
    """How the attempt stands that a worker has, or had last."""
    status = task.status
    if not task.terminal:
        return f"Running since {'now' if status.started_at is None else _stamp(status.started_at)}"
    how = "" if status.exit_code is None else f" (exit code {status.exit_code})"
    return f"{status.reason or task.phase}{how}"


def _result(status: McpTaskStatus) -> list[str]:
    result = status.result
    if result is None:
        return []
    size = f"{result.size_bytes} bytes"
    if result.text is None:
        return [f"{size}, kept in the result store as {result.ref}"]
    return [size, _shortened(result.text)]


def _events(facts: TaskFacts) -> list[list[str]]:
    if not facts.events:
        return []
    rows = [
        [
            str(event.get("type", "")),
            str(event.get("reason", "")),
            ago(last_seen(event), facts.now),
            str((event.get("involvedObject") or {}).get("kind") or ""),
            _one_line(str(event.get("message") or "")),
        ]
        for event in sorted(facts.events, key=lambda event: str(last_seen(event) or ""))
    ]
    return [["Type", "Reason", "Age", "Object", "Message"], *rows]


def _moment(moment: datetime | None, now: datetime, since: datetime | None = None) -> str:
    if moment is None:
        return ""
    after = "" if since is None else f", {max(0.0, (moment - since).total_seconds()):.1f}s later"
    return f"{_stamp(moment)} ({ago(moment, now)} ago{after})"


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _section(title: str, lines: Iterable[str]) -> list[str]:
    content = [f"{INDENT}{line}" for line in lines]
    return [f"{title}:", *content] if content else []


def _pairs(rows: Iterable[Row], wrap_at: int | None = None) -> list[str]:
    shown = [(name, value) for name, value in rows if value]
    width = max((len(name) for name, _ in shown), default=0) + 1 + GAP
    lines: list[str] = []
    for name, value in shown:
        first, *more = [line for part in value.splitlines() or [""] for line in _wrapped(part, width, wrap_at)]
        lines.append(f"{name}:".ljust(width) + first)
        lines += [" " * width + line for line in more]
    return lines


def _columns(rows: Sequence[Sequence[str]], wrap_at: int | None = None) -> list[str]:
    """The rows below each other; what does not fit of the last column goes on below its beginning."""
    if not rows:
        return []
    rows = [[visible_line(cell) for cell in row] for row in rows]
    widths = [max(len(row[index]) for row in rows) + GAP for index in range(len(rows[0]) - 1)]
    start, lines = sum(widths), []
    for row in rows:
        first, *more = _wrapped(row[-1], start, wrap_at)
        lines.append("".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) + first)
        lines += [" " * start + line for line in more]
    return [line.rstrip() for line in lines]


def _wrapped(text: str, start: int, wrap_at: int | None) -> list[str]:
    """The text in lines that end before `wrap_at` where words allow, if there is room for any."""
    if wrap_at is None or wrap_at - start < NARROWEST:
        return [text]
    indent = " " * (len(text) - len(text.lstrip()))
    lines = textwrap.wrap(
        text, wrap_at - start, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return lines or [""]


def _one_line(text: str) -> str:
    return _shortened(" ".join(text.split()))


def _shortened(text: str) -> str:
    return without_middle(text, SHOWN_CHARACTERS)
