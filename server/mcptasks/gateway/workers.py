"""What the gateway needs to know of a worker, read from its Pod and never from what it says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mcptasks.gateway.pods import (
    JOB,
    OwnerKind,
    PodIdentity,
    TaskPod,
    controller_of,
    foreign_pod,
    is_disrupted,
    pod_metadata,
)
from mcptasks.model.base import (
    ANNOTATION_CONCURRENCY,
    ANNOTATION_DRAIN,
    ANNOTATION_TASKS_PER_WORKER,
    ANNOTATION_TEMPLATE_HASH,
    GROUP,
    LABEL_TEMPLATE,
    LABEL_WORKER,
    JsonObject,
    ObjectMeta,
    is_worker,
    runner_container,
)

TEMPLATE = OwnerKind(GROUP, "McpTaskTemplate")


@dataclass(frozen=True)
class WorkerPod:
    """A Pod that runs tasks of one template.

    `template_uid` is None where a Job controls the Pod: the one task that it was for has been handed out. `tasks` is
    how many it may run in all, 0 for no limit. `disruption` is reason and message of its DisruptionTarget.
    """

    identity: PodIdentity
    template: str
    template_uid: str | None
    template_hash: str
    created_at: datetime
    tasks: int = 1
    concurrency: int = 1
    node_name: str | None = None
    memory_limit: str | None = None
    finished: bool = False
    deleting: bool = False
    disruption: tuple[str, str] | None = None
    draining: bool = False

    @property
    def name(self) -> str:
        return self.identity.name

    @property
    def uid(self) -> str:
        return self.identity.uid

    @property
    def leaving(self) -> bool:
        """Whether it is to take nothing new."""
        return self.draining or self.deleting or self.finished or self.disruption is not None

    def for_task(self, name: str, uid: str, attempt: int, deadline_seconds: int | None = None) -> TaskPod:
        """The Pod as the one that runs this attempt of a task."""
        return TaskPod(
            identity=self.identity,
            task_name=name,
            task_uid=uid,
            created_at=self.created_at,
            node_name=self.node_name,
            deadline_seconds=deadline_seconds,
            finished=self.finished,
            deleting=self.deleting,
            disrupted=self.disruption is not None,
            attempt=attempt,
        )


def worker_pod(pod: JsonObject, identity: PodIdentity) -> WorkerPod:
    """The facts of the Pod, if it is the one that the token is bound to and a worker of a template.

    Raises:
        RefusedError: it is not.
    """
    metadata = pod_metadata(pod, identity)
    if metadata.uid != identity.uid:
        raise foreign_pod(identity, "another Pod has its name now")
    owner = controller_of(metadata, TEMPLATE, JOB)
    if not is_worker(pod) or owner is None or metadata.creation_timestamp is None:
        raise foreign_pod(identity, f"it has no label {LABEL_WORKER}, or no {TEMPLATE.kind} controls it")
    of_template = TEMPLATE.is_of(owner)
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    return WorkerPod(
        identity=identity,
        template=owner.name if of_template else metadata.labels.get(LABEL_TEMPLATE, ""),
        template_uid=owner.uid if of_template else None,
        template_hash=metadata.annotations.get(ANNOTATION_TEMPLATE_HASH, ""),
        created_at=metadata.creation_timestamp,
        tasks=_number(metadata, ANNOTATION_TASKS_PER_WORKER),
        concurrency=max(1, _number(metadata, ANNOTATION_CONCURRENCY)),
        node_name=spec.get("nodeName"),
        memory_limit=_memory_limit(spec),
        finished=status.get("phase") in ("Succeeded", "Failed"),
        deleting=metadata.deletion_timestamp is not None,
        disruption=_disruption(status),
        draining=metadata.annotations.get(ANNOTATION_DRAIN) == "true",
    )


def _number(metadata: ObjectMeta, annotation: str) -> int:
    """The number in the annotation; 1, the strictest, where there is none that makes sense."""
    text = metadata.annotations.get(annotation, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 1


def _memory_limit(spec: JsonObject) -> str | None:
    """Of the container that runs the tasks."""
    runner = runner_container(spec.get("containers") or [{}])
    limit = ((runner.get("resources") or {}).get("limits") or {}).get("memory")
    return None if limit is None else str(limit)


def _disruption(status: JsonObject) -> tuple[str, str] | None:
    if not is_disrupted(status):
        return None
    target = next(c for c in status["conditions"] if c.get("type") == "DisruptionTarget")
    return str(target.get("reason") or ""), str(target.get("message") or "")
