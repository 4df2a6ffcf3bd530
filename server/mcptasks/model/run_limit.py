"""How long one attempt of a task may run, and which setting says so."""

from __future__ import annotations

from mcptasks.model.process_failures import Limit
from mcptasks.model.task import McpTask
from mcptasks.model.task_template import McpTaskTemplateSpec


def run_limit(task: McpTask, spec: McpTaskTemplateSpec, default: Limit) -> Limit:
    """The task's own value comes first, then the template's, then the default.

    An `activeDeadlineSeconds` in the template's Pod is an administrator's upper bound for all of them.
    """
    limit = _requested(task, spec, default)
    cap = deadline_cap(spec)
    if cap is not None and cap < limit.seconds:
        return Limit(cap, f"activeDeadlineSeconds in the Pod of McpTaskTemplate {task.spec.template_ref.name}")
    return limit


def deadline_cap(spec: McpTaskTemplateSpec) -> int | None:
    """The upper bound that the template's Pod sets, if it does."""
    pod_spec = (spec.pod_template or {}).get("spec")
    cap = pod_spec.get("activeDeadlineSeconds") if isinstance(pod_spec, dict) else None
    return cap if isinstance(cap, int) and not isinstance(cap, bool) else None


def _requested(task: McpTask, spec: McpTaskTemplateSpec, default: Limit) -> Limit:
    if task.spec.timeout_seconds is not None:
        return Limit(task.spec.timeout_seconds, "spec.timeoutSeconds of the task")
    if spec.timeout_seconds is not None:
        return Limit(spec.timeout_seconds, f"timeoutSeconds of McpTaskTemplate {task.spec.template_ref.name}")
    return default
