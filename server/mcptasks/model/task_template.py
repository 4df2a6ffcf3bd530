"""McpTaskTemplate: how tasks run. The source of its CRD; field descriptions are what `kubectl explain` prints."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from mcptasks.model.base import API_VERSION, JsonObject, Model, ObjectMeta


class DisruptionPolicy(StrEnum):
    """What happens when the Pod is lost to the cluster (eviction, preemption, node loss), not to the tool."""

    RETRY_IDEMPOTENT = "RetryIdempotent"
    FAIL = "Fail"


class Executor(StrEnum):
    """How the task's process comes to run."""

    JOB = "Job"


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
    executor: Executor = Field(Executor.JOB, description="How the process comes to run; Job is a Pod of its own.")
    start_deadline_seconds: int | None = Field(
        None,
        ge=1,
        description=(
            "Seconds that a task may wait for its Pod to start before it fails. A task whose Pod has no node yet waits "
            "its turn: they start again whenever a Pod of the same template, unchanged, gets a node."
        ),
    )
    timeout_seconds: int | None = Field(
        None, ge=1, description="Seconds that an attempt may run, where neither tool nor call says so."
    )
    disruption_policy: DisruptionPolicy = Field(
        DisruptionPolicy.RETRY_IDEMPOTENT,
        description="RetryIdempotent runs idempotent tools again after an eviction or node loss; Fail never does.",
    )
    queue_name: str | None = Field(None, description="Kueue LocalQueue for the Job (kueue.x-k8s.io/queue-name).")
    retention: RetentionPolicy | None = Field(
        None, description="How long tasks stay readable where the call does not say."
    )


class McpTaskTemplate(Model):
    """A way for tasks to run, named by tools: image, resources, deadlines, retention."""

    api_version: Literal["mcptasks.dev/v1alpha1"] = API_VERSION
    kind: Literal["McpTaskTemplate"] = "McpTaskTemplate"
    metadata: ObjectMeta
    spec: McpTaskTemplateSpec = Field(default_factory=McpTaskTemplateSpec, description="How tasks run.")
