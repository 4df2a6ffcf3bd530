"""What every resource of ours is made of: the API group, labels, metadata, and the base of all models.

Model            base of each part of a resource: camelCase in JSON, immutable in Python
JsonObject       an object as the API server sends it
FreeFormObject   a field that the API server takes any JSON in
Timestamp        a time in UTC, or None
ObjectMeta       the metadata that we read
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

GROUP = "mcptasks.dev"
VERSION = "v1alpha1"
API_VERSION: Literal["mcptasks.dev/v1alpha1"] = "mcptasks.dev/v1alpha1"

LABEL_TASK = f"{GROUP}/task"
LABEL_TASK_UID = f"{GROUP}/task-uid"
LABEL_SERVER = f"{GROUP}/server"
LABEL_COMPONENT = f"{GROUP}/component"
LABEL_TEMPLATE = f"{GROUP}/template"
LABEL_TEMPLATE_HASH = f"{GROUP}/template-hash"
LABEL_PRINCIPAL = f"{GROUP}/principal"
"""Label with a hash of the principal, so that one caller's tasks can be selected. The principal is in the spec."""

LABEL_CALL = f"{GROUP}/call"
"""Label that names the call that waits for the task, so that a cancellation of the call finds it."""

ANNOTATION_RETRIES_DISRUPTIONS = f"{GROUP}/retries-disruptions"
"""Annotation of a task's Pod: "true" where another Pod may follow one that the cluster has taken away."""

LABEL_WORKER = f"{GROUP}/worker"
WORKER_SELECTOR = f"{LABEL_WORKER}=true"
"""Selects the Pods that `is_worker` is true of."""

"""Label of a worker's Pod: "true". Its `LABEL_TEMPLATE` names the template that it takes tasks of."""

ANNOTATION_TEMPLATE_HASH = f"{GROUP}/template-hash"
"""Annotation of a worker's Pod: `worker_hash` of the template that it was made from."""

ANNOTATION_TASKS_PER_WORKER = f"{GROUP}/tasks-per-worker"
ANNOTATION_CONCURRENCY = f"{GROUP}/concurrency"
"""Annotations of a worker's Pod: how many tasks it may run in all (0: no limit), and how many at a time."""

ANNOTATION_DRAIN = f"{GROUP}/drain"
"""Annotation of a worker's Pod: "true" where it is to take nothing new, and to end when it runs nothing."""

ANNOTATION_ANY_REPLICA = f"{GROUP}/any-replica"
"""Annotation of a task: "true" where the replica that made it had no worker for it, so that others need not wait."""

ANNOTATION_CALLED_AT = f"{GROUP}/called-at"
"""Annotation of a task: when the server got the call. A task that was made with kubectl has none."""

ANNOTATION_RESTORED = f"{GROUP}/restored"
"""Annotation of a task: "true" where it comes out of a backup. It never runs; its status may be put back."""

RUNNER = "runner"
"""Name of the container that runs the tool; without one of this name it is the Pod's first."""

JsonObject: TypeAlias = dict[str, Any]


def is_worker(pod: JsonObject) -> bool:
    """Whether the Pod is marked as a worker's."""
    return (pod.get("metadata", {}).get("labels") or {}).get(LABEL_WORKER) == "true"


def runner_container(containers: Sequence[JsonObject]) -> JsonObject:
    """Of a Pod's containers, of which there is at least one, the one that runs the tool."""
    return next((container for container in containers if container.get("name") == RUNNER), containers[0])


def _in_utc(value: datetime) -> datetime:
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{value} is no time of the years 1 to 9999 in UTC") from error


def time_of(stamp: object) -> datetime | None:
    """The time of a timestamp in an object as the API server sends it; None where it is none that Python has.

    The API server takes years before 1 and offsets of 99 hours (seen on Kubernetes 1.36).
    """
    try:
        return _in_utc(stamp if isinstance(stamp, datetime) else datetime.fromisoformat(str(stamp)))
    except ValueError:
        return None


class Model(BaseModel):
    """Base of all models: camelCase in JSON, unknown fields ignored, immutable in Python."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)

    def dump(self) -> JsonObject:
        """The model as JSON values with camelCase keys, without fields that are unset or None."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def _time_or_none(value: object) -> object:
    return time_of(value) if isinstance(value, str | datetime) else value


Timestamp = Annotated[datetime | None, BeforeValidator(_time_or_none)]
"""RFC 3339 time in UTC, or None; fractions of a second are kept. A time that Python does not have reads as None."""


def _object_or_none(value: object) -> object:
    return value if isinstance(value, dict) else None


FreeFormObject = Annotated[JsonObject | None, BeforeValidator(_object_or_none)]
"""An object without a schema: the API server takes any JSON there. What is no object reads as None."""


class OwnerReference(Model):
    """Names the object that owns another one; the garbage collector deletes them together."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class ObjectMeta(Model):
    """The part of Kubernetes' ObjectMeta that mcptasks reads."""

    name: str = ""
    namespace: str = "default"
    uid: str = ""
    resource_version: str | None = None
    generation: int | None = None
    creation_timestamp: Timestamp = None
    deletion_timestamp: Timestamp = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    owner_references: list[OwnerReference] = Field(default_factory=list)
