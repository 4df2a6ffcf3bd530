"""The Job of a task, made from the task, its template and the settings. Pure.

What the template says stays as it is, fields that this code has never heard of included; only what it leaves out is
filled in, with defaults that the `restricted` Pod Security profile accepts. Nothing that a caller sends gets into the
manifest except names, made safe for labels: no argument can become a command, a variable or a volume.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

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
from mcptasks.model.task_template import DisruptionPolicy, McpTaskTemplateSpec, UserId
from mcptasks.settings import TOKEN_FILE, Settings
from mcptasks_operator.deciding.object_facts import RUNNER
from mcptasks_operator.deciding.policy import pod_deadline_seconds

ANNOTATION_COMPONENT = f"{GROUP}/component-name"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"

TOKEN_VOLUME = "mcptasks-token"
TOKEN_SECONDS = 3600
TMP_VOLUME = "mcptasks-tmp"
TMP_PATH = "/tmp"
GRACE_SECONDS = 30
UNPRIVILEGED_UID = 65532

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class InvalidTemplateError(Exception):
    """The template's Pod is not one: the message says where."""


def make_job(task: McpTask, template: McpTaskTemplateSpec, settings: Settings) -> JsonObject:
    """The Job that runs the task.

    Raises:
        InvalidTemplateError: the template's `podTemplate` is not a PodTemplateSpec.
    """
    pod_template = make_pod_template(task, template, settings)
    runner = _runner(pod_template["spec"]["containers"])["name"]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": task.name,
            "namespace": task.namespace,
            "labels": job_labels(task, template),
            "annotations": {ANNOTATION_COMPONENT: task.spec.component.name},
            "ownerReferences": [owner_reference(task)],
        },
        "spec": {
            "backoffLimit": task.spec.retries,
            "completions": 1,
            "parallelism": 1,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": pod_failure_policy(task, template, runner),
            "template": pod_template,
        },
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
    pod = copy.deepcopy(template.pod_template or {})
    metadata = _object(pod, "metadata", "podTemplate")
    metadata["labels"] = _object(metadata, "labels", "podTemplate.metadata") | task_labels(task, template)
    annotations = _object(metadata, "annotations", "podTemplate.metadata")
    metadata["annotations"] = annotations | {
        ANNOTATION_COMPONENT: task.spec.component.name,
        # The gateway knows no templates: by this it decides whether the next Pod may have the task.
        ANNOTATION_RETRIES_DISRUPTIONS: "true" if retries_disruptions(task, template) else "false",
    }
    spec = _object(pod, "spec", "podTemplate")
    _fill_pod(spec, pod_deadline_seconds(task, template, settings), template.user_id)
    _fill_runner(spec, task, settings)
    _add_volumes(spec, settings)
    return pod


def _fill_pod(spec: JsonObject, timeout_seconds: int, user_id: UserId) -> None:
    spec["restartPolicy"] = "Never"
    spec["activeDeadlineSeconds"] = timeout_seconds
    spec.setdefault("automountServiceAccountToken", False)
    spec.setdefault("enableServiceLinks", False)
    spec.setdefault("terminationGracePeriodSeconds", GRACE_SECONDS)
    containers = _objects(spec, "containers") or [{"name": RUNNER}]
    spec["containers"] = containers
    every = [*containers, *_objects(spec, "initContainers")]
    _restrict_pod(_object(spec, "securityContext", "podTemplate.spec"), every, user_id)
    for container in every:
        _restrict_container(container)


def _restrict_pod(context: JsonObject, containers: Iterable[JsonObject], user_id: UserId) -> None:
    """Run as an unprivileged user, unless the template names a user, wants root or leaves the user to the platform."""
    users = [context.get("runAsUser"), *((c.get("securityContext") or {}).get("runAsUser") for c in containers)]
    wants_root = 0 in users
    if not wants_root and context.setdefault("runAsNonRoot", True) and user_id is UserId.UNPRIVILEGED:
        context.setdefault("runAsUser", UNPRIVILEGED_UID)
    context.setdefault("seccompProfile", {"type": "RuntimeDefault"})


def _restrict_container(container: JsonObject) -> None:
    context = _object(container, "securityContext", f"container {container['name']}")
    capabilities = _object(context, "capabilities", f"securityContext of container {container['name']}")
    capabilities.setdefault("drop", ["ALL"])
    # The API server refuses a privileged container that must not gain privileges.
    if not context.get("privileged") and "SYS_ADMIN" not in (capabilities.get("add") or ()):
        context.setdefault("allowPrivilegeEscalation", False)


def _fill_runner(spec: JsonObject, task: McpTask, settings: Settings) -> None:
    runner = _runner(spec["containers"])
    runner.setdefault("image", settings.runner_image)
    if not runner.get("command") and not runner.get("args"):
        runner["command"] = list(settings.runner_command)
    runner.setdefault("terminationMessagePolicy", "FallbackToLogsOnError")
    runner["securityContext"].setdefault("readOnlyRootFilesystem", True)
    runner["env"] = _environment(runner, task, _grace_seconds(spec), settings)


def _grace_seconds(spec: JsonObject) -> int:
    grace = spec["terminationGracePeriodSeconds"]
    return grace if isinstance(grace, int) and grace >= 0 else GRACE_SECONDS


def _environment(runner: JsonObject, task: McpTask, grace: int, settings: Settings) -> list[JsonObject]:
    """The template's variables, then ours. The template may set its own gateway or log format, never another task."""
    own = {
        "MCPTASKS_GATEWAY_URL": settings.gateway_url,
        "MCPTASKS_TOKEN_FILE": TOKEN_FILE,
        "MCPTASKS_LOG_FORMAT": settings.log_format,
    }
    forced = {"MCPTASKS_TASK_ID": task.name, "MCPTASKS_GRACE_SECONDS": str(grace)} | _trace(task)
    given = [entry for entry in _objects(runner, "env") if entry["name"] not in forced]
    names = {entry["name"] for entry in given}
    added = {name: value for name, value in own.items() if name not in names} | forced
    return given + [{"name": name, "value": value} for name, value in added.items()]


def _trace(task: McpTask) -> dict[str, str]:
    parent = task.spec.trace_context.traceparent if task.spec.trace_context else None
    return {"TRACEPARENT": parent} if parent and _TRACEPARENT.fullmatch(parent) else {}


def _add_volumes(spec: JsonObject, settings: Settings) -> None:
    runner = _runner(spec["containers"])
    token = {
        "serviceAccountToken": {
            "audience": settings.gateway_audience,
            "expirationSeconds": TOKEN_SECONDS,
            "path": PurePosixPath(TOKEN_FILE).name,
        }
    }
    projected = {"name": TOKEN_VOLUME, "projected": {"sources": [token]}}
    _mount(spec, runner, projected, str(PurePosixPath(TOKEN_FILE).parent), read_only=True)
    _mount(spec, runner, {"name": TMP_VOLUME, "emptyDir": {}}, TMP_PATH)


def _mount(spec: JsonObject, container: JsonObject, volume: JsonObject, path: str, *, read_only: bool = False) -> None:
    """Mount the volume, unless the template has put something else there."""
    mounts = _objects(container, "volumeMounts")
    if any(mount.get("mountPath", "").rstrip("/") == path for mount in mounts):
        return
    volumes = _objects(spec, "volumes")
    spec["volumes"] = [*(v for v in volumes if v["name"] != volume["name"]), volume]
    mount: JsonObject = {"name": volume["name"], "mountPath": path}
    container["volumeMounts"] = [*mounts, mount | {"readOnly": True} if read_only else mount]


def _runner(containers: list[JsonObject]) -> JsonObject:
    return next((c for c in containers if c["name"] == RUNNER), containers[0])


def _object(parent: JsonObject, key: str, where: str) -> JsonObject:
    """The object under the key, created if it is missing."""
    value = parent.get(key)
    if value is None:
        value = parent[key] = {}
    if not isinstance(value, dict):
        raise InvalidTemplateError(f"{key} of {where} must be an object, not {type(value).__name__}")
    return value


def _objects(parent: JsonObject, key: str) -> list[JsonObject]:
    """The list of named objects under the key; empty if it is missing."""
    value = parent.get(key) or []
    if not isinstance(value, list) or not all(isinstance(i, dict) and isinstance(i.get("name"), str) for i in value):
        raise InvalidTemplateError(f"{key} must be a list of objects that each have a name")
    return value
