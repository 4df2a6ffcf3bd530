"""The limits that hold for one task: its own, its template's or the settings', and which setting each comes from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mcptasks.model.lifecycle import Retention
from mcptasks.model.process_failures import Limit
from mcptasks.model.run_limit import deadline_cap, run_limit
from mcptasks.model.task import DEFAULT_TEMPLATE, McpTask, Phase
from mcptasks.model.task_template import DisruptionPolicy, Executor, McpTaskTemplateSpec
from mcptasks.settings import Settings


@dataclass(frozen=True, slots=True)
class Policy:
    """The limits of one task.

    `start` bounds the wait for the Pod, `run` one attempt (from the Pod's start, image pull included).
    `retries_disruptions` says whether idempotent tools run again after their Pod was taken away.
    """

    template: str
    start: Limit
    run: Limit
    completed: Retention
    failed: Retention
    executor: Executor = Executor.JOB
    retries_disruptions: bool = False

    def retention(self, phase: Phase) -> Retention:
        """How long a task that ends in this phase can be read."""
        return self.completed if phase is Phase.COMPLETED else self.failed


def policy_of(task: McpTask, template: McpTaskTemplateSpec | None, settings: Settings) -> Policy:
    """The limits of a task; `template` is None where there is none, so that the settings hold."""
    spec = template or McpTaskTemplateSpec()
    return replace(policy_of_workers(task.spec.template_ref.name, spec, settings), run=_run_limit(task, spec, settings))


def policy_of_workers(name: str, spec: McpTaskTemplateSpec, settings: Settings) -> Policy:
    """What holds for the workers of a template, whatever tasks they run."""
    retention = spec.retention
    return Policy(
        template=name,
        start=start_limit(spec, name, settings),
        run=_default_run_limit(settings),
        completed=_retention(retention.completed_seconds if retention else None, settings),
        failed=_retention(retention.failed_seconds if retention else None, settings),
        executor=spec.executor,
        retries_disruptions=spec.disruption_policy is DisruptionPolicy.RETRY_IDEMPOTENT,
    )


def start_limit(spec: McpTaskTemplateSpec, name: str, settings: Settings) -> Limit:
    """How long a task of the template may wait for its start, and a worker of it may take to be ready."""
    if spec.start_deadline_seconds is not None:
        return Limit(spec.start_deadline_seconds, f"startDeadlineSeconds of McpTaskTemplate {name}")
    return Limit(settings.start_deadline_seconds, "MCPTASKS_START_DEADLINE_SECONDS of the operator")


def _run_limit(task: McpTask, spec: McpTaskTemplateSpec, settings: Settings) -> Limit:
    return run_limit(task, spec, _default_run_limit(settings))


def _default_run_limit(settings: Settings) -> Limit:
    return Limit(settings.default_timeout_seconds, "MCPTASKS_DEFAULT_TIMEOUT_SECONDS of the operator")


def pod_deadline_seconds(task: McpTask, spec: McpTaskTemplateSpec, settings: Settings) -> int:
    """The Pod's `activeDeadlineSeconds`: run time and, for a task that may ask its caller, waiting time together.

    A running Pod's deadline can be brought forward, never put off, so the time that may be spent waiting must be in it
    from the start. The operator ends a task that has run for too long before that. An administrator's upper bound holds
    for both together.
    """
    seconds = _run_limit(task, spec, settings).seconds + (task.spec.input_timeout_seconds or 0)
    cap = deadline_cap(spec)
    return seconds if cap is None else min(seconds, cap)


def _retention(seconds: int | None, settings: Settings) -> Retention:
    kept = settings.default_ttl_seconds if seconds is None else seconds
    return Retention(ttl_ms=kept * 1000, floor_seconds=settings.result_floor_seconds)


def is_default_template(task: McpTask) -> bool:
    """Whether the task asks for the default template, which may be missing."""
    return task.spec.template_ref.name == DEFAULT_TEMPLATE
