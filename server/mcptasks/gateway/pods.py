"""What the gateway needs to know of a calling Pod, read from the Pod itself: whose task it runs, and how old it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from mcptasks.gateway.contract import RefusalCode
from mcptasks.gateway.refusals import RefusedError
from mcptasks.model.base import LABEL_TASK_UID, JsonObject, ObjectMeta, OwnerReference


@dataclass(frozen=True)
class PodIdentity:
    """The Pod that a token is bound to."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class TaskPod:
    """A Pod that runs one attempt of a task.

    `finished` was true when the Pod was read and never becomes false; everything else never changes.
    `deadline_seconds` is the Pod's activeDeadlineSeconds.
    """

    identity: PodIdentity
    task_name: str
    task_uid: str
    created_at: datetime
    node_name: str | None = None
    deadline_seconds: int | None = None
    finished: bool = False

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
    try:
        metadata = ObjectMeta.model_validate(pod["metadata"])
    except (KeyError, ValidationError) as error:
        raise _foreign(identity, "its metadata cannot be read") from error
    if metadata.uid != identity.uid:
        raise _foreign(identity, "another Pod has its name now")
    owner = _controller(metadata)
    task_uid = metadata.labels.get(LABEL_TASK_UID)
    if owner is None or not task_uid or metadata.creation_timestamp is None:
        raise _foreign(identity, f"it is not controlled by a Job, or has no label {LABEL_TASK_UID}")
    spec = pod.get("spec") or {}
    return TaskPod(
        identity=identity,
        task_name=owner.name,
        task_uid=task_uid,
        created_at=metadata.creation_timestamp,
        node_name=spec.get("nodeName"),
        deadline_seconds=spec.get("activeDeadlineSeconds"),
        finished=(pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"),
    )


def _controller(metadata: ObjectMeta) -> OwnerReference | None:
    jobs = (o for o in metadata.owner_references if o.kind == "Job" and o.api_version.startswith("batch/"))
    return next((owner for owner in jobs if owner.controller), None)


def _foreign(identity: PodIdentity, why: str) -> RefusedError:
    return RefusedError(
        RefusalCode.NOT_A_TASK_POD, f"Pod {identity.namespace}/{identity.name} runs no task of this cluster: {why}"
    )
