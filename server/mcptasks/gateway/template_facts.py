"""What the gateway knows of the templates of its namespace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from mcptasks.model.base import JsonObject
from mcptasks.model.process_failures import Limit
from mcptasks.model.run_limit import run_limit
from mcptasks.model.task import McpTask
from mcptasks.model.task_template import DisruptionPolicy, Executor, McpTaskTemplateSpec, worker_hash


@dataclass(frozen=True)
class WarmTemplate:
    """A template whose tasks workers run: what a worker must be made from to get them."""

    uid: str
    worker_hash: str


@dataclass(frozen=True)
class TemplateFacts:
    """Reads templates by name. `find` gives a template's object as it was last seen, None where there is none."""

    find: Callable[[str], JsonObject | None]
    default_timeout_seconds: int

    def warm(self, name: str) -> WarmTemplate | None:
        """The template if workers run its tasks."""
        item, spec = self.find(name), self._spec(name)
        if item is None or spec.executor is not Executor.WARM or item["metadata"].get("deletionTimestamp"):
            return None
        return WarmTemplate(item["metadata"]["uid"], worker_hash(spec))

    def run_limit(self, task: McpTask) -> Limit:
        """How long an attempt of the task may run."""
        default = Limit(self.default_timeout_seconds, "MCPTASKS_DEFAULT_TIMEOUT_SECONDS of the server")
        return run_limit(task, self._spec(task.spec.template_ref.name), default)

    def retries_disruptions(self, task: McpTask) -> bool:
        """Whether the task's template lets another attempt follow one that was taken away."""
        spec = self._spec(task.spec.template_ref.name)
        return spec.disruption_policy is DisruptionPolicy.RETRY_IDEMPOTENT

    def _spec(self, name: str) -> McpTaskTemplateSpec:
        item = self.find(name)
        try:
            return McpTaskTemplateSpec.model_validate((item or {}).get("spec") or {})
        except ValidationError:
            # Of a newer CRD: the operator says so to whoever uses it.
            return McpTaskTemplateSpec()
