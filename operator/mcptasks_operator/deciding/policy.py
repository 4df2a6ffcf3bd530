"""The limits that hold for one task: its own, its template's or the settings', and which setting each comes from."""

from __future__ import annotations

from dataclasses import dataclass

from mcptasks.model.lifecycle import Retention
from mcptasks.model.task import DEFAULT_TEMPLATE, McpTask, Phase
from mcptasks.model.task_template import McpTaskTemplateSpec
from mcptasks.settings import Settings


@dataclass(frozen=True, slots=True)
class Limit:
    """A number of seconds and the name of the setting that it comes from."""

    seconds: int
    source: str


@dataclass(frozen=True, slots=True)
class Policy:
    """The limits of one task.

    `start` bounds the wait for the Pod, `run` one attempt (from the Pod's start, image pull included).
    """

    template: str
    start: Limit
    run: Limit
    completed: Retention
    failed: Retention

    def retention(self, phase: Phase) -> Retention:
        """How long a task that ends in this phase can be read."""
        return self.completed if phase is Phase.COMPLETED else self.failed


def policy_of(task: McpTask, template: McpTaskTemplateSpec | None, settings: Settings) -> Policy:
    """The limits of a task; `template` is None where there is none, so that the settings hold."""
    spec = template or McpTaskTemplateSpec()
    name = task.spec.template_ref.name
    retention = spec.retention
    return Policy(
        template=name,
        start=_start_limit(spec, name, settings),
        run=run_limit(task, spec, settings),
        completed=_retention(retention.completed_seconds if retention else None, settings),
        failed=_retention(retention.failed_seconds if retention else None, settings),
    )


def _start_limit(spec: McpTaskTemplateSpec, name: str, settings: Settings) -> Limit:
    if spec.start_deadline_seconds is not None:
        return Limit(spec.start_deadline_seconds, f"startDeadlineSeconds of McpTaskTemplate {name}")
    return Limit(settings.start_deadline_seconds, "MCPTASKS_START_DEADLINE_SECONDS of the operator")


def run_limit(task: McpTask, spec: McpTaskTemplateSpec, settings: Settings) -> Limit:
    """How long an attempt may run.

    The task's own value comes first, then the template's, then the settings'. An `activeDeadlineSeconds` in the
    template's Pod is an administrator's upper bound for all of them.
    """
    name = task.spec.template_ref.name
    limit = _requested_limit(task, spec, settings)
    cap = _cap(spec)
    if cap is not None and cap < limit.seconds:
        return Limit(cap, f"activeDeadlineSeconds in the Pod of McpTaskTemplate {name}")
    return limit


def pod_deadline_seconds(task: McpTask, spec: McpTaskTemplateSpec, settings: Settings) -> int:
    """The Pod's `activeDeadlineSeconds`: run time and, for a task that may ask its caller, waiting time together.

    A running Pod's deadline can be brought forward, never put off, so the time that may be spent waiting must be in it
    from the start. The operator ends a task that has run for too long before that. An administrator's upper bound holds
    for both together.
    """
    seconds = run_limit(task, spec, settings).seconds + (task.spec.input_timeout_seconds or 0)
    cap = _cap(spec)
    return seconds if cap is None else min(seconds, cap)


def _cap(spec: McpTaskTemplateSpec) -> int | None:
    cap = ((spec.pod_template or {}).get("spec") or {}).get("activeDeadlineSeconds")
    return cap if isinstance(cap, int) else None


def _requested_limit(task: McpTask, spec: McpTaskTemplateSpec, settings: Settings) -> Limit:
    if task.spec.timeout_seconds is not None:
        return Limit(task.spec.timeout_seconds, "spec.timeoutSeconds of the task")
    if spec.timeout_seconds is not None:
        return Limit(spec.timeout_seconds, f"timeoutSeconds of McpTaskTemplate {task.spec.template_ref.name}")
    return Limit(settings.default_timeout_seconds, "MCPTASKS_DEFAULT_TIMEOUT_SECONDS of the operator")


def _retention(seconds: int | None, settings: Settings) -> Retention:
    kept = settings.default_ttl_seconds if seconds is None else seconds
    return Retention(ttl_ms=kept * 1000, floor_seconds=settings.result_floor_seconds)


def is_default_template(task: McpTask) -> bool:
    """Whether the task asks for the default template, which may be missing."""
    return task.spec.template_ref.name == DEFAULT_TEMPLATE
