"""`meta.k8s.io/v1` Table: what `kubectl get` prints, computed by the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mcptasks_embedded.api import json_path
from mcptasks_embedded.store.memory import Entry, Resource
from mcptasks_embedded.values import json_values, times
from mcptasks_embedded.values.kinds import Column, Kind

Json = dict[str, Any]
Cell = str | int | float | bool | None
Getter = Callable[[Json, datetime], Cell]

_NONE = "<none>"
_UNKNOWN = "<unknown>"


@dataclass(frozen=True, slots=True)
class Head:
    """One column: how it is announced and how a cell is made."""

    name: str
    get: Getter
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""

    def definition(self) -> Json:
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description or self.name,
            "priority": self.priority,
        }


def age(stamp: str | None, now: datetime) -> str:
    if not stamp:
        return _UNKNOWN
    return times.human_duration((now - times.parse(stamp)).total_seconds())


def _meta(name: str) -> Getter:
    return lambda obj, now: obj["metadata"].get(name, "")


def _age(obj: Json, now: datetime) -> str:
    return age(obj["metadata"].get("creationTimestamp"), now)


def _path(path: str, default: Cell = "") -> Getter:
    def get(obj: Json, now: datetime) -> Cell:
        found = json_path.find(obj, path)
        return found[0] if found else default

    return get


def _count(*fields: str) -> Getter:
    return lambda obj, now: sum(len(obj.get(field) or ()) for field in fields)


_NAME = Head("Name", _meta("name"), format="name", description="Name must be unique within a namespace.")
_AGE = Head("Age", _age)
_CREATED = Head("Created At", _meta("creationTimestamp"), type="date")


# --- Pods ---


def _pod_ready(pod: Json, now: datetime) -> str:
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    return f"{sum(bool(s.get('ready')) for s in statuses)}/{len(pod['spec'].get('containers') or ())}"


def _init_state(status: Json) -> str | None:
    """What an init container that keeps the Pod from starting says; None when it has succeeded."""
    state = status.get("state") or {}
    if terminated := state.get("terminated"):
        if not terminated.get("exitCode"):
            return None
        return f"Init:{terminated.get('reason') or 'Error'}"
    waiting = (state.get("waiting") or {}).get("reason")
    return f"Init:{waiting}" if waiting and waiting != "PodInitializing" else ""


def pod_status(pod: Json, now: datetime) -> str:
    """The STATUS column, after `printPod` of kubernetes/pkg/printers."""
    status = pod.get("status") or {}
    text = str(status.get("reason") or status.get("phase") or "Unknown")
    init = status.get("initContainerStatuses") or ()
    for index, container in enumerate(init):
        blocked = _init_state(container)
        if blocked is not None:
            return blocked or f"Init:{index}/{len(init)}"
    for container in reversed(status.get("containerStatuses") or ()):
        text = _container_text(container, text)
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return text


def _container_text(container: Json, text: str) -> str:
    state = container.get("state") or {}
    if reason := (state.get("waiting") or {}).get("reason"):
        return str(reason)
    terminated = state.get("terminated")
    if not terminated:
        return text
    if terminated.get("reason"):
        return str(terminated["reason"])
    return f"Signal:{terminated['signal']}" if terminated.get("signal") else f"ExitCode:{terminated['exitCode']}"


def _restarts(pod: Json, now: datetime) -> str:
    return str(sum(s.get("restartCount", 0) for s in pod.get("status", {}).get("containerStatuses") or ()))


_POD = (
    _NAME,
    Head("Ready", _pod_ready),
    Head("Status", pod_status),
    Head("Restarts", _restarts),
    _AGE,
    Head("IP", _path(".status.podIP", _NONE), priority=1),
    Head("Node", _path(".spec.nodeName", _NONE), priority=1),
    Head("Nominated Node", lambda pod, now: _NONE, priority=1),
    Head("Readiness Gates", lambda pod, now: _NONE, priority=1),
)


# --- Jobs ---


def _has_condition(obj: Json, kind: str) -> bool:
    conditions = obj.get("status", {}).get("conditions") or ()
    return any(c["type"] == kind and c["status"] == "True" for c in conditions)


def _job_status(job: Json, now: datetime) -> str:
    for kind in ("Complete", "Failed"):
        if _has_condition(job, kind):
            return kind
    if job["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for kind in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if _has_condition(job, kind):
            return kind
    return "Running"


def _completions(job: Json, now: datetime) -> str:
    succeeded = job.get("status", {}).get("succeeded", 0)
    wanted = job["spec"].get("completions")
    if wanted is not None:
        return f"{succeeded}/{wanted}"
    parallelism = job["spec"].get("parallelism", 0)
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _job_duration(job: Json, now: datetime) -> str:
    status = job.get("status") or {}
    if not status.get("startTime"):
        return ""
    end = times.parse(status["completionTime"]) if status.get("completionTime") else now
    return times.human_duration((end - times.parse(status["startTime"])).total_seconds())


def _containers(field: str) -> Getter:
    def get(job: Json, now: datetime) -> str:
        return ",".join(str(c.get(field, "")) for c in job["spec"]["template"]["spec"].get("containers") or ())

    return get


def _job_selector(job: Json, now: datetime) -> str:
    labels = (job["spec"].get("selector") or {}).get("matchLabels") or {}
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or _NONE


_JOB = (
    _NAME,
    Head("Status", _job_status),
    Head("Completions", _completions),
    Head("Duration", _job_duration),
    _AGE,
    Head("Containers", _containers("name"), priority=1),
    Head("Images", _containers("image"), priority=1),
    Head("Selector", _job_selector, priority=1),
)


# --- Other kinds ---


def _last_seen(event: Json, now: datetime) -> str:
    return age(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp"), now)


def _event_object(event: Json, now: datetime) -> str:
    involved = event.get("involvedObject") or {}
    return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"


def _event_source(event: Json, now: datetime) -> str:
    source = event.get("source") or {}
    parts = (source.get("component") or event.get("reportingComponent"), source.get("host"))
    return ", ".join(part for part in parts if part)


_EVENT = (
    Head("Last Seen", _last_seen),
    Head("Type", _path(".type")),
    Head("Reason", _path(".reason")),
    Head("Object", _event_object),
    Head("Subobject", _path(".involvedObject.fieldPath"), priority=1),
    Head("Source", _event_source, priority=1),
    Head("Message", lambda event, now: str(event.get("message", "")).strip()),
    Head("First Seen", lambda event, now: age(event.get("firstTimestamp") or event.get("eventTime"), now), priority=1),
    Head("Count", lambda event, now: str(event.get("count", 1)), priority=1),
    Head("Name", _meta("name"), format="name", priority=1),
)


def _node_status(node: Json, now: datetime) -> str:
    ready = "Ready" if _has_condition(node, "Ready") else "NotReady"
    return f"{ready},SchedulingDisabled" if node["spec"].get("unschedulable") else ready


_NODE = (
    _NAME,
    Head("Status", _node_status),
    Head("Roles", lambda node, now: _NONE),
    _AGE,
    Head("Version", _path(".status.nodeInfo.kubeletVersion")),
    Head("Internal-IP", _path(".status.addresses[?(@.type=='InternalIP')].address", _NONE), priority=1),
    Head("OS-Image", _path(".status.nodeInfo.osImage", _UNKNOWN), priority=1),
    Head("Kernel-Version", _path(".status.nodeInfo.kernelVersion", _UNKNOWN), priority=1),
    Head("Container-Runtime", _path(".status.nodeInfo.containerRuntimeVersion", _UNKNOWN), priority=1),
)


def _role(binding: Json, now: datetime) -> str:
    reference = binding.get("roleRef") or {}
    return f"{reference.get('kind')}/{reference.get('name')}"


def _ports(service: Json, now: datetime) -> str:
    ports = service.get("spec", {}).get("ports") or ()
    return ",".join(f"{port.get('port')}/{port.get('protocol', 'TCP')}" for port in ports) or _NONE


_RBAC = "rbac.authorization.k8s.io"
_HEADS: Mapping[Resource, tuple[Head, ...]] = {
    Resource("", "pods"): _POD,
    Resource("batch", "jobs"): _JOB,
    Resource("", "events"): _EVENT,
    Resource("", "nodes"): _NODE,
    Resource("", "namespaces"): (_NAME, Head("Status", _path(".status.phase")), _AGE),
    Resource("", "secrets"): (_NAME, Head("Type", _path(".type")), Head("Data", _count("data"), type="integer"), _AGE),
    Resource("", "configmaps"): (_NAME, Head("Data", _count("data", "binaryData"), type="integer"), _AGE),
    Resource("", "services"): (
        _NAME,
        Head("Type", _path(".spec.type")),
        Head("Cluster-IP", _path(".spec.clusterIP", _NONE)),
        Head("External-IP", lambda service, now: _NONE),
        Head("Port(s)", _ports),
        _AGE,
    ),
    Resource("coordination.k8s.io", "leases"): (_NAME, Head("Holder", _path(".spec.holderIdentity")), _AGE),
    Resource("apiextensions.k8s.io", "customresourcedefinitions"): (_NAME, _CREATED),
    Resource(_RBAC, "roles"): (_NAME, _CREATED),
    Resource(_RBAC, "clusterroles"): (_NAME, _CREATED),
    Resource(_RBAC, "rolebindings"): (_NAME, Head("Role", _role), _AGE),
    Resource(_RBAC, "clusterrolebindings"): (_NAME, Head("Role", _role), _AGE),
}


def _custom_cell(column: Column) -> Getter:
    def get(obj: Json, now: datetime) -> Cell:
        found = json_path.find(obj, column.path)
        return _typed(found[0], column.type, now) if found else None

    return get


def _typed(value: Any, kind: str, now: datetime) -> Cell:
    """A cell of the column's type, or None where the value does not fit, as in apiextensions' table converter."""
    if value is None:
        return None
    if kind == "date":
        try:
            return age(str(value), now)
        except ValueError:
            return "<invalid>"
    if kind in ("integer", "number"):
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        return (int(value) if kind == "integer" else value) if fits else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    return value if isinstance(value, str) else json_values.dumps(value).decode()


def heads(kind: Kind) -> Sequence[Head]:
    if kind.columns:
        custom = (Head(c.name, _custom_cell(c), c.type, c.format, c.priority, c.description) for c in kind.columns)
        return (_NAME, *custom)
    return _HEADS.get(kind.storage, (_NAME, _AGE))


def definitions(kind: Kind) -> list[Json]:
    return [head.definition() for head in heads(kind)]


def row(kind: Kind, obj: Json, now: datetime, include: str = "Metadata") -> Json:
    """One row; `include` is the request's includeObject: None, Metadata or Object."""
    result: Json = {"cells": [head.get(obj, now) for head in heads(kind)]}
    if include == "Metadata":
        result["object"] = {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": obj["metadata"],
        }
    elif include == "Object":
        result["object"] = obj
    return result


def table(kind: Kind, entries: Sequence[Entry], metadata: Json, include: str, with_columns: bool = True) -> Json:
    now = times.now()
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": definitions(kind) if with_columns else [],
        "rows": [row(kind, entry.obj, now, include) for entry in entries],
    }
