"""McpTaskTemplate: how tasks run. The source of its CRD; field descriptions are what `kubectl explain` prints."""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Literal

from pydantic import Field

from mcptasks.model.base import API_VERSION, JsonObject, Model, ObjectMeta
from mcptasks.model.task import Condition


class DisruptionPolicy(StrEnum):
    """What happens when the Pod is lost to the cluster (eviction, preemption, node loss), not to the tool."""

    RETRY_IDEMPOTENT = "RetryIdempotent"
    FAIL = "Fail"


class Executor(StrEnum):
    """How the task's process comes to run."""

    JOB = "Job"
    WARM = "Warm"


class UserId(StrEnum):
    """Which user a Pod runs as whose template names none."""

    UNPRIVILEGED = "Unprivileged"
    PLATFORM = "Platform"


class RetentionPolicy(Model):
    """How long tasks stay readable where the call does not say so."""

    completed_seconds: int | None = Field(
        None, ge=0, description="Seconds from creation that a completed task stays readable."
    )
    failed_seconds: int | None = Field(
        None, ge=0, description="Seconds from creation that a failed or cancelled task stays readable."
    )


class WarmPool(Model):
    """The workers of a template with `executor: Warm`."""

    min_workers: int = Field(
        1, ge=0, le=10_000, description="Workers that are kept ready; 0 is none while nobody calls."
    )
    max_workers: int = Field(10, ge=1, le=10_000, description="Workers at most.")
    tasks_per_worker: int = Field(
        1,
        ge=0,
        description=(
            "Tasks that a worker runs before its Pod is replaced. 1 is a Pod for each call, as with Job; 0 is no "
            "limit. What shares a Pod shares its user, its token and its limits."
        ),
    )
    concurrency: int = Field(1, ge=1, le=1000, description="Tasks at a time in one worker.")
    idle_seconds: int = Field(
        300, ge=1, description="Seconds without a task after which workers above minWorkers are removed."
    )


class McpTaskTemplateSpec(Model):
    """How tasks run: owned by administrators, named by tools, out of reach of callers."""

    pod_template: JsonObject | None = Field(
        None,
        description=(
            "PodTemplateSpec of the task's Job. The container named `runner` (or the first one) runs the tool; what "
            "it leaves out (image, command, token volume, security context) is filled in by the operator."
        ),
    )
    user_id: UserId = Field(
        UserId.UNPRIVILEGED,
        description=(
            "The user of Pods whose `podTemplate` names none: Unprivileged is 65532; Platform leaves it to the cluster "
            "or the image, as OpenShift, which chooses ids itself, needs."
        ),
    )
    executor: Executor = Field(
        Executor.JOB,
        description=(
            "How the process comes to run: Job starts a Pod for it, Warm hands the task to a worker that is ready."
        ),
    )
    warm: WarmPool | None = Field(
        None, description="The workers, with `executor: Warm`; its defaults hold where unset."
    )
    start_deadline_seconds: int | None = Field(
        None,
        ge=1,
        description=(
            "Seconds that a task may wait for its Pod to start before it fails. A task whose Pod has no node yet waits "
            "its turn: they start again whenever a Pod of the same template, unchanged, gets a node."
        ),
    )
    timeout_seconds: int | None = Field(
        None, ge=1, description="Seconds that an attempt may run, where the tool does not say so."
    )
    disruption_policy: DisruptionPolicy = Field(
        DisruptionPolicy.RETRY_IDEMPOTENT,
        description="RetryIdempotent runs idempotent tools again after an eviction or node loss; Fail never does.",
    )
    queue_name: str | None = Field(None, description="Kueue LocalQueue for the Job (kueue.x-k8s.io/queue-name).")
    retention: RetentionPolicy | None = Field(
        None, description="How long tasks whose spec has no `ttlMs`, as those made with kubectl, stay readable."
    )


class McpTaskTemplateStatus(Model):
    """The workers of a template with `executor: Warm`, as the operator last saw them."""

    ready_workers: int | None = Field(None, ge=0, description="Workers that are ready and take tasks, busy or not.")
    busy_workers: int | None = Field(None, ge=0, description="Workers that run a task.")
    starting_workers: int | None = Field(None, ge=0, description="Workers that are not ready yet.")
    wanted_workers: int | None = Field(
        None, ge=0, description="Workers that there should be: enough for what runs and waits, between the limits."
    )
    waiting_tasks: int | None = Field(None, ge=0, description="Tasks of the template that no worker has taken.")
    observed_generation: int | None = Field(None, description="Generation of the spec that the rest is about.")
    conditions: list[Condition] | None = Field(
        None,
        description=(
            "WorkersAvailable: whether calls find a worker, or need none so far; its reason and message say what keeps "
            "workers from being ready."
        ),
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )


class McpTaskTemplate(Model):
    """A way for tasks to run, named by tools: image, resources, deadlines, retention."""

    api_version: Literal["mcptasks.dev/v1alpha1"] = API_VERSION
    kind: Literal["McpTaskTemplate"] = "McpTaskTemplate"
    metadata: ObjectMeta
    spec: McpTaskTemplateSpec = Field(default_factory=McpTaskTemplateSpec, description="How tasks run.")
    status: McpTaskTemplateStatus = Field(
        default_factory=McpTaskTemplateStatus, description="The workers, with `executor: Warm`."
    )


def worker_hash(template: McpTaskTemplateSpec) -> str:
    """The same for all workers whose Pods are alike in what the template says of them."""
    warm = template.warm or WarmPool()
    made_of = [template.pod_template, template.user_id, warm.tasks_per_worker, warm.concurrency]
    text = json.dumps(made_of, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
