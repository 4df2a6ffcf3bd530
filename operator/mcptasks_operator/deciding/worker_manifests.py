"""What a template with `executor: Warm` makes: its workers' Pods, and the Jobs of the tasks that they run. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime

from mcptasks.model.base import (
    ANNOTATION_CONCURRENCY,
    ANNOTATION_TASKS_PER_WORKER,
    ANNOTATION_TEMPLATE_HASH,
    API_VERSION,
    LABEL_COMPONENT,
    LABEL_SERVER,
    LABEL_TASK,
    LABEL_TASK_UID,
    LABEL_TEMPLATE,
    LABEL_TEMPLATE_HASH,
    LABEL_WORKER,
    JsonObject,
)
from mcptasks.model.lifecycle import created_at, timestamp
from mcptasks.model.names import label_value
from mcptasks.model.task import McpTask, Phase, Reason
from mcptasks.model.task_template import McpTaskTemplateSpec, WarmPool, worker_hash
from mcptasks.settings import Settings
from mcptasks_operator.deciding.manifests import job_metadata, make_pod_template
from mcptasks_operator.deciding.object_facts import MANAGED_BY_WARM
from mcptasks_operator.deciding.pod_spec import (
    PodProcess,
    as_merged,
    fill_pod_spec,
    named_objects,
    object_at,
    runner_of,
)
from mcptasks_operator.deciding.policy import start_limit

PROCESS_SUCCEEDED = frozenset({Reason.TOOL_ERROR, Reason.REQUEST_ERROR, Reason.RESULT_MISSING})
"""Why a task has failed whose process ended with code 0: an error is an answer as well."""

WORKER_PORT = 8790
WORKER_PORT_NAME = "mcptasks-ready"
READY_PATH = "/readyz"
PROBE_SECONDS = 2
NAME_LENGTH = 52
"""Of a template's name in those of its workers, so that these can be host names."""


@dataclass(frozen=True, slots=True)
class TemplateObject:
    """A template as the API server has it."""

    namespace: str
    name: str
    uid: str
    spec: McpTaskTemplateSpec
    generation: int | None = None
    status: JsonObject = field(default_factory=dict)

    @property
    def pool(self) -> WarmPool:
        """What it says of its workers."""
        return self.spec.warm or WarmPool()


def worker_name(template: TemplateObject, suffix: str) -> str:
    """The name of a worker's Pod: after its template, and `suffix`."""
    return f"{template.name[:NAME_LENGTH].rstrip('-.')}-w-{suffix}"


def make_worker(template: TemplateObject, name: str, settings: Settings) -> JsonObject:
    """The Pod of a worker.

    Raises:
        InvalidTemplateError: the template's `podTemplate` is not a PodTemplateSpec.
    """
    pod = worker_pod_template(template, settings)
    made_from = pod_hash(pod)
    metadata = pod["metadata"]
    metadata |= {
        "name": name,
        "namespace": template.namespace,
        "ownerReferences": [template_reference(template)],
    }
    metadata["labels"][LABEL_TEMPLATE_HASH] = made_from
    return {"apiVersion": "v1", "kind": "Pod", **pod}


def worker_pod_template(template: TemplateObject, settings: Settings) -> JsonObject:
    """What the Pods of all workers of the template have in common. Raises InvalidTemplateError."""
    pod = as_merged(template.spec.pod_template or {})
    metadata = object_at(pod, "metadata", "podTemplate")
    metadata["labels"] = object_at(metadata, "labels", "podTemplate.metadata") | {
        # All Pods of ours have it: by its presence they are watched, and network policies find them.
        LABEL_TASK: "",
        LABEL_TASK_UID: "",
        LABEL_WORKER: "true",
        LABEL_TEMPLATE: label_value(template.name),
    }
    metadata["annotations"] = object_at(metadata, "annotations", "podTemplate.metadata") | {
        ANNOTATION_TEMPLATE_HASH: worker_hash(template.spec),
        ANNOTATION_TASKS_PER_WORKER: str(template.pool.tasks_per_worker),
        ANNOTATION_CONCURRENCY: str(template.pool.concurrency),
    }
    spec = object_at(pod, "spec", "podTemplate")
    process = PodProcess(
        command=settings.worker_command,
        variables={
            "MCPTASKS_WORKER_PORT": str(WORKER_PORT),
            "MCPTASKS_WORKER_CONCURRENCY": str(template.pool.concurrency),
            "MCPTASKS_WORKER_TASKS": str(template.pool.tasks_per_worker),
            "MCPTASKS_START_DEADLINE_SECONDS": str(start_limit(template.spec, template.name, settings).seconds),
        },
        pod_fields={"MCPTASKS_WORKER_HOST": "status.podIP"},
    )
    fill_pod_spec(spec, process, template.spec.user_id, settings)
    _add_readiness(runner_of(spec))
    return pod


def _add_readiness(runner: JsonObject) -> None:
    """Ready is a worker that has loaded its module, unless the template probes otherwise."""
    ports = named_objects(runner, "ports")
    runner["ports"] = [*ports, {"name": WORKER_PORT_NAME, "containerPort": WORKER_PORT}]
    runner.setdefault(
        "readinessProbe",
        {"httpGet": {"path": READY_PATH, "port": WORKER_PORT}, "periodSeconds": PROBE_SECONDS, "timeoutSeconds": 2},
    )


def template_reference(template: TemplateObject) -> JsonObject:
    """Has the garbage collector delete workers with their template."""
    return {
        "apiVersion": API_VERSION,
        "kind": "McpTaskTemplate",
        "name": template.name,
        "uid": template.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def gateway_of(pod: JsonObject) -> str | None:
    """The URL of the gateway that workers of this Pod template ask for tasks; None where it is not plain text."""
    entries = named_objects(runner_of(pod["spec"]), "env")
    return next((entry.get("value") for entry in entries if entry["name"] == "MCPTASKS_GATEWAY_URL"), None)


def pod_hash(pod: JsonObject) -> str:
    """A label value that is the same for all workers whose Pods are alike in everything but name."""
    text = json.dumps(pod, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def current_pod_hash(template: TemplateObject, settings: Settings) -> str:
    """`pod_hash` of a worker that would be made now. Raises InvalidTemplateError."""
    return pod_hash(worker_pod_template(template, settings))


def make_warm_job(task: McpTask, template: McpTaskTemplateSpec, settings: Settings, ttl_seconds: int) -> JsonObject:
    """The Job of a task that a worker runs: the Job controller makes no Pods for it (KEP-4368).

    `ttl_seconds` stands in it from the start: nobody but the operator finishes this Job.

    Raises:
        InvalidTemplateError: the template's `podTemplate` is not a PodTemplateSpec.
    """
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": job_metadata(task, template),
        "spec": {
            "managedBy": MANAGED_BY_WARM,
            "backoffLimit": task.spec.retries,
            "completions": 1,
            "parallelism": 1,
            "ttlSecondsAfterFinished": ttl_seconds,
            "template": make_pod_template(task, template, settings),
        },
    }


def adopting_patch(task: McpTask, pod_uid: str, job_uid: str) -> JsonObject:
    """The merge patch of a worker's Pod that makes it the Pod of the task's Job, with the labels of one."""
    owner = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": task.name,
        "uid": job_uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    labels = {
        LABEL_TASK: task.name,
        LABEL_TASK_UID: task.uid,
        LABEL_SERVER: label_value(task.spec.server),
        LABEL_COMPONENT: label_value(task.spec.component.name),
        "batch.kubernetes.io/controller-uid": job_uid,
        "batch.kubernetes.io/job-name": task.name,
    }
    return {"metadata": {"uid": pod_uid, "labels": labels, "ownerReferences": [owner]}}


def finished_job_status(task: McpTask, now: datetime) -> JsonObject:
    """The status that finishes the Job of a task that has ended, as the API server demands it (KEP-4368).

    As with a Pod of the task alone, the Job tells of the process: one that ends with code 0 completes it.
    """
    finished = task.status.finished_at or now
    completed = task.phase is Phase.COMPLETED or task.status.reason in PROCESS_SUCCEEDED
    first, last = ("SuccessCriteriaMet", "Complete") if completed else ("FailureTarget", "Failed")
    common = {
        "status": "True",
        "reason": task.status.reason or task.phase.value,
        "message": "ended by a worker of mcptasks",
        "lastProbeTime": _whole_seconds(now),
        "lastTransitionTime": _whole_seconds(now),
    }
    status: JsonObject = {
        "startTime": _whole_seconds(min(task.status.started_at or created_at(task), finished)),
        "active": 0,
        "ready": 0,
        "terminating": 0,
        ("succeeded" if completed else "failed"): 1,
        "conditions": [{"type": kind, **common} for kind in (first, last)],
    }
    if completed:
        status["completionTime"] = _whole_seconds(finished)
    return status


def _whole_seconds(moment: datetime) -> str:
    return timestamp(moment.replace(microsecond=0)).replace(".000Z", "Z")
