"""The Job of a task, made from the task, its template and the settings. Pure.

Nothing that a caller sends gets into the manifest except names, made safe for labels: no argument can become a command,
a variable or a volume.
"""

from __future__ import annotations

import hashlib
import json

from mcptasks.gateway.contract import RunnerExitCode
from mcptasks.model.base import (
    ANNOTATION_RETRIES_DISRUPTIONS,
    API_VERSION,
    GROUP,
    LABEL_COMPONENT,
    LABEL_PRINCIPAL,
    LABEL_SERVER,
    LABEL_TASK,
    LABEL_TASK_UID,
    LABEL_TEMPLATE,
    LABEL_TEMPLATE_HASH,
    JsonObject,
)
from mcptasks.model.names import label_value
from mcptasks.model.task import McpTask
from mcptasks.model.task_template import DisruptionPolicy, McpTaskTemplateSpec
from mcptasks.model.task_variables import task_variables
from mcptasks.settings import Settings
from mcptasks_operator.deciding.pod_spec import PodProcess, as_merged, fill_pod_spec, object_at, runner_of
from mcptasks_operator.deciding.policy import pod_deadline_seconds

ANNOTATION_COMPONENT = f"{GROUP}/component-name"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"


def make_job(task: McpTask, template: McpTaskTemplateSpec, settings: Settings) -> JsonObject:
    """The Job that runs the task.

    Raises:
        InvalidTemplateError: the template's `podTemplate` is not a PodTemplateSpec.
    """
    pod_template = make_pod_template(task, template, settings)
    runner = runner_of(pod_template["spec"])["name"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": job_metadata(task, template),
        "spec": {
            "backoffLimit": task.spec.retries,
            "completions": 1,
            "parallelism": 1,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": pod_failure_policy(task, template, runner),
            "template": pod_template,
        },
    }


def job_metadata(task: McpTask, template: McpTaskTemplateSpec) -> JsonObject:
    """Name, labels and owner of a task's Job, whoever runs the task."""
    return {
        "name": task.name,
        "namespace": task.namespace,
        "labels": job_labels(task, template),
        "annotations": {ANNOTATION_COMPONENT: task.spec.component.name},
        "ownerReferences": [owner_reference(task)],
    }


def owner_reference(task: McpTask) -> JsonObject:
    """Has the garbage collector delete the Job with its task."""
    return {
        "apiVersion": API_VERSION,
        "kind": "McpTask",
        "name": task.name,
        "uid": task.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def template_hash(template: McpTaskTemplateSpec) -> str:
    """A label value that is the same for all Pods that are made from the same Pod template."""
    text = json.dumps(template.pod_template, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def task_labels(task: McpTask, template: McpTaskTemplateSpec) -> dict[str, str]:
    """Labels by which a task's Job and Pods are found."""
    labels = {
        LABEL_TASK: task.name,
        LABEL_TASK_UID: task.uid,
        LABEL_SERVER: label_value(task.spec.server),
        LABEL_COMPONENT: label_value(task.spec.component.name),
        LABEL_TEMPLATE: label_value(task.spec.template_ref.name),
        LABEL_TEMPLATE_HASH: template_hash(template),
    }
    if principal := task.metadata.labels.get(LABEL_PRINCIPAL):
        labels[LABEL_PRINCIPAL] = principal
    return labels


def job_labels(task: McpTask, template: McpTaskTemplateSpec) -> dict[str, str]:
    """Labels of the Job: the task's, and Kueue's where the template names a queue."""
    queue = {QUEUE_LABEL: template.queue_name} if template.queue_name else {}
    return task_labels(task, template) | queue


def retries_disruptions(task: McpTask, template: McpTaskTemplateSpec) -> bool:
    """Whether another attempt may follow one that the cluster has taken away."""
    return task.spec.idempotent and template.disruption_policy is DisruptionPolicy.RETRY_IDEMPOTENT


def pod_failure_policy(task: McpTask, template: McpTaskTemplateSpec, runner: str) -> JsonObject:
    """Which ends of a Pod may be followed by another attempt; the first rule that fits counts.

    The exit code of a recorded failure never is. A disruption is for idempotent tools, and then uses up no retry.
    """
    recorded = RunnerExitCode.FAILURE_RECORDED.value
    again = retries_disruptions(task, template)
    return {
        "rules": [
            {
                "action": "FailJob",
                "onExitCodes": {"containerName": runner, "operator": "In", "values": [recorded]},
            },
            {
                "action": "Ignore" if again else "FailJob",
                "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
            },
        ]
    }


def make_pod_template(task: McpTask, template: McpTaskTemplateSpec, settings: Settings) -> JsonObject:
    """The Pod template of the task's Job.

    Raises:
        InvalidTemplateError: the template's `podTemplate` is not a PodTemplateSpec.
    """
    pod = as_merged(template.pod_template or {})
    metadata = object_at(pod, "metadata", "podTemplate")
    metadata["labels"] = object_at(metadata, "labels", "podTemplate.metadata") | task_labels(task, template)
    annotations = object_at(metadata, "annotations", "podTemplate.metadata")
    metadata["annotations"] = annotations | {
        ANNOTATION_COMPONENT: task.spec.component.name,
        # The gateway knows no templates: by this it decides whether the next Pod may have the task.
        ANNOTATION_RETRIES_DISRUPTIONS: "true" if retries_disruptions(task, template) else "false",
    }
    spec = object_at(pod, "spec", "podTemplate")
    process = PodProcess(
        command=settings.runner_command,
        deadline_seconds=pod_deadline_seconds(task, template, settings),
        variables=task_variables(task.name, task.spec.trace_context),
    )
    fill_pod_spec(spec, process, template.user_id, settings)
    return pod
