"""What the gateway needs to know of a calling Pod, read from the Pod itself: whose task it runs, and how old it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from mcptasks.gateway.contract import RefusalCode
from mcptasks.gateway.refusals import RefusedError
from mcptasks.model.base import (
    ANNOTATION_RETRIES_DISRUPTIONS,
    LABEL_TASK_UID,
    JsonObject,
    ObjectMeta,
    OwnerReference,
)


@dataclass(frozen=True)
class OwnerKind:
    """A kind of object that may control a Pod: its group and name."""

    group: str
    kind: str

    def is_of(self, owner: OwnerReference) -> bool:
        """Whether the reference is to such an object, of whatever version."""
        return owner.kind == self.kind and owner.api_version.partition("/")[0] == self.group


JOB = OwnerKind("batch", "Job")


@dataclass(frozen=True)
class PodIdentity:
    """The Pod that a token is bound to."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class TaskPod:
    """A Pod that runs one attempt of a task.

    `finished`, `deleting` and `disrupted` (the cluster takes the Pod away) may have become true since the Pod was read,
    and never become false; everything else never changes. `deadline_seconds` is the Pod's activeDeadlineSeconds.
    `retries_disruptions` says that the Pod's template lets another Pod follow one that was taken away. `attempt` is set
    where the Pod is a worker's, which may run several attempts of the same task: the one that this is about, 0 before
    it has one.
    """

    identity: PodIdentity
    task_name: str
    task_uid: str
    created_at: datetime
    node_name: str | None = None
    deadline_seconds: int | None = None
    finished: bool = False
    deleting: bool = False
    disrupted: bool = False
    retries_disruptions: bool = False
    attempt: int | None = None

    @property
    def is_workers(self) -> bool:
        """Whether the Pod is a worker's, and not the task's own."""
        return self.attempt is not None

    @property
    def key(self) -> tuple[str, str, int | None]:
        """The Pod with this task, by uids, and a worker's attempt: what its limits are counted by."""
        return self.task_uid, self.uid, self.attempt

    @property
    def namespace(self) -> str:
        return self.identity.namespace

    @property
    def name(self) -> str:
        return self.identity.name

    @property
    def uid(self) -> str:
        return self.identity.uid


def task_pod(pod: JsonObject, identity: PodIdentity) -> TaskPod:
    """The facts of the Pod, if it is the one that the token is bound to and belongs to a task's Job.

    Raises:
        RefusedError: it is not.
    """
    metadata = pod_metadata(pod, identity)
    if metadata.uid != identity.uid:
        raise foreign_pod(identity, "another Pod has its name now")
    owner = controller_of(metadata, JOB)
    task_uid = metadata.labels.get(LABEL_TASK_UID)
    if owner is None or not task_uid or metadata.creation_timestamp is None:
        raise foreign_pod(identity, f"it is not controlled by a Job, or has no label {LABEL_TASK_UID}")
    return _task_pod(pod, metadata, identity, owner.name, task_uid)


def claiming_pod(pod: JsonObject, identity: PodIdentity, task_name: str, task_uid: str) -> TaskPod | None:
    """The facts of the Pod that has claimed the task; None if another Pod has its name now.

    It need not belong to a Job any more: one that was deleted with `--cascade=orphan` leaves it running.

    Raises:
        RefusedError: the Pod cannot be read.
    """
    metadata = pod_metadata(pod, identity)
    return _task_pod(pod, metadata, identity, task_name, task_uid) if metadata.uid == identity.uid else None


def pod_metadata(pod: JsonObject, identity: PodIdentity) -> ObjectMeta:
    """The Pod's metadata. Raises RefusedError."""
    try:
        return ObjectMeta.model_validate(pod["metadata"])
    except (KeyError, ValidationError) as error:
        raise foreign_pod(identity, "its metadata cannot be read") from error


def _task_pod(pod: JsonObject, metadata: ObjectMeta, identity: PodIdentity, task_name: str, task_uid: str) -> TaskPod:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    return TaskPod(
        identity=identity,
        task_name=task_name,
        task_uid=task_uid,
        created_at=metadata.creation_timestamp or datetime.min.replace(tzinfo=UTC),
        node_name=spec.get("nodeName"),
        deadline_seconds=spec.get("activeDeadlineSeconds"),
        finished=status.get("phase") in ("Succeeded", "Failed"),
        deleting=metadata.deletion_timestamp is not None,
        disrupted=is_disrupted(status),
        retries_disruptions=metadata.annotations.get(ANNOTATION_RETRIES_DISRUPTIONS) == "true",
    )


def is_disrupted(status: JsonObject) -> bool:
    """Whether the cluster takes the Pod away, by its status."""
    conditions = status.get("conditions") or ()
    return any(c.get("type") == "DisruptionTarget" and c.get("status") == "True" for c in conditions)


def controller_of(metadata: ObjectMeta, *kinds: OwnerKind) -> OwnerReference | None:
    """The object that controls the Pod, if it is of one of the kinds."""
    owners = (owner for owner in metadata.owner_references if owner.controller)
    return next((owner for owner in owners if any(kind.is_of(owner) for kind in kinds)), None)


def foreign_pod(identity: PodIdentity, why: str) -> RefusedError:
    """The refusal for a Pod that is none of ours."""
    return RefusedError(
        RefusalCode.NOT_A_TASK_POD, f"Pod {identity.namespace}/{identity.name} runs no task of this cluster: {why}"
    )
