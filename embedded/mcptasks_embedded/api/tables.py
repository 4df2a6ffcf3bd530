"""`meta.k8s.io/v1` Table: what `kubectl get` prints, computed by the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mcptasks_embedded.api import json_path
from mcptasks_embedded.store.memory import StoreEntry
from mcptasks_embedded.values import json_values, times
from mcptasks_embedded.values.api_kind import ApiKind, PrinterColumn
from mcptasks_embedded.values.references import (
    CRDS,
    EVENTS,
    JOBS,
    LEASES,
    NAMESPACES,
    NODES,
    PODS,
    RBAC_GROUP,
    GroupResource,
)

Json = dict[str, Any]
Cell = str | int | float | bool | None
Getter = Callable[[Json, datetime], Cell]

_NONE = "<none>"
_UNKNOWN = "<unknown>"


@dataclass(frozen=True, slots=True)
class TableColumn:
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


_NAME = TableColumn("Name", _meta("name"), format="name", description="Name must be unique within a namespace.")
_AGE = TableColumn("Age", _age)
_CREATED = TableColumn("Created At", _meta("creationTimestamp"), type="date")


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
    TableColumn("Ready", _pod_ready),
    TableColumn("Status", pod_status),
    TableColumn("Restarts", _restarts),
    _AGE,
    TableColumn("IP", _path(".status.podIP", _NONE), priority=1),
    TableColumn("Node", _path(".spec.nodeName", _NONE), priority=1),
    TableColumn("Nominated Node", lambda pod, now: _NONE, priority=1),
    TableColumn("Readiness Gates", lambda pod, now: _NONE, priority=1),
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
    TableColumn("Status", _job_status),
    TableColumn("Completions", _completions),
    TableColumn("Duration", _job_duration),
    _AGE,
    TableColumn("Containers", _containers("name"), priority=1),
    TableColumn("Images", _containers("image"), priority=1),
    TableColumn("Selector", _job_selector, priority=1),
)


# --- Other kinds ---


def _last_seen(event: Json, now: datetime) -> str:
    return age(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp"), now)


def _first_seen(event: Json, now: datetime) -> str:
    return age(event.get("firstTimestamp") or event.get("eventTime"), now)


def _event_object(event: Json, now: datetime) -> str:
    involved = event.get("involvedObject") or {}
    return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"


def _event_source(event: Json, now: datetime) -> str:
    source = event.get("source") or {}
    parts = (source.get("component") or event.get("reportingComponent"), source.get("host"))
    return ", ".join(part for part in parts if part)


_EVENT = (
    TableColumn("Last Seen", _last_seen),
    TableColumn("Type", _path(".type")),
    TableColumn("Reason", _path(".reason")),
    TableColumn("Object", _event_object),
    TableColumn("Subobject", _path(".involvedObject.fieldPath"), priority=1),
    TableColumn("Source", _event_source, priority=1),
    TableColumn("Message", lambda event, now: str(event.get("message", "")).strip()),
    TableColumn("First Seen", _first_seen, priority=1),
    TableColumn("Count", lambda event, now: str(event.get("count", 1)), priority=1),
    TableColumn("Name", _meta("name"), format="name", priority=1),
)


def _node_status(node: Json, now: datetime) -> str:
    ready = "Ready" if _has_condition(node, "Ready") else "NotReady"
    return f"{ready},SchedulingDisabled" if node["spec"].get("unschedulable") else ready


_NODE = (
    _NAME,
    TableColumn("Status", _node_status),
    TableColumn("Roles", lambda node, now: _NONE),
    _AGE,
    TableColumn("Version", _path(".status.nodeInfo.kubeletVersion")),
    TableColumn("Internal-IP", _path(".status.addresses[?(@.type=='InternalIP')].address", _NONE), priority=1),
    TableColumn("OS-Image", _path(".status.nodeInfo.osImage", _UNKNOWN), priority=1),
    TableColumn("Kernel-Version", _path(".status.nodeInfo.kernelVersion", _UNKNOWN), priority=1),
    TableColumn("Container-Runtime", _path(".status.nodeInfo.containerRuntimeVersion", _UNKNOWN), priority=1),
)


def _role(binding: Json, now: datetime) -> str:
    reference = binding.get("roleRef") or {}
    return f"{reference.get('kind')}/{reference.get('name')}"


def _ports(service: Json, now: datetime) -> str:
    ports = service.get("spec", {}).get("ports") or ()
    return ",".join(f"{port.get('port')}/{port.get('protocol', 'TCP')}" for port in ports) or _NONE


_BUILTIN_COLUMNS: Mapping[GroupResource, tuple[TableColumn, ...]] = {
    PODS: _POD,
    JOBS: _JOB,
    EVENTS: _EVENT,
    NODES: _NODE,
    NAMESPACES: (_NAME, TableColumn("Status", _path(".status.phase")), _AGE),
    GroupResource("", "secrets"): (
        _NAME,
        TableColumn("Type", _path(".type")),
        TableColumn("Data", _count("data"), type="integer"),
        _AGE,
    ),
    GroupResource("", "configmaps"): (_NAME, TableColumn("Data", _count("data", "binaryData"), type="integer"), _AGE),
    GroupResource("", "services"): (
        _NAME,
        TableColumn("Type", _path(".spec.type")),
        TableColumn("Cluster-IP", _path(".spec.clusterIP", _NONE)),
        TableColumn("External-IP", lambda service, now: _NONE),
        TableColumn("Port(s)", _ports),
        _AGE,
    ),
    LEASES: (_NAME, TableColumn("Holder", _path(".spec.holderIdentity")), _AGE),
    CRDS: (_NAME, _CREATED),
    GroupResource(RBAC_GROUP, "roles"): (_NAME, _CREATED),
    GroupResource(RBAC_GROUP, "clusterroles"): (_NAME, _CREATED),
    GroupResource(RBAC_GROUP, "rolebindings"): (_NAME, TableColumn("Role", _role), _AGE),
    GroupResource(RBAC_GROUP, "clusterrolebindings"): (_NAME, TableColumn("Role", _role), _AGE),
}


def _custom_column(column: PrinterColumn) -> TableColumn:
    get = _custom_cell(column)
    return TableColumn(column.name, get, column.type, column.format, column.priority, column.description)


def _custom_cell(column: PrinterColumn) -> Getter:
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


def columns(kind: ApiKind) -> Sequence[TableColumn]:
    if kind.columns:
        return (_NAME, *(_custom_column(column) for column in kind.columns))
    return _BUILTIN_COLUMNS.get(kind.storage, (_NAME, _AGE))


def definitions(kind: ApiKind) -> list[Json]:
    return [column.definition() for column in columns(kind)]


def row(kind: ApiKind, obj: Json, now: datetime, include: str = "Metadata") -> Json:
    """One row; `include` is the request's includeObject: None, Metadata or Object."""
    result: Json = {"cells": [column.get(obj, now) for column in columns(kind)]}
    if include == "Metadata":
        result["object"] = {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": obj["metadata"],
        }
    elif include == "Object":
        result["object"] = obj
    return result


def table(
    kind: ApiKind, entries: Sequence[StoreEntry], metadata: Json, include: str, with_columns: bool = True
) -> Json:
    now = times.now()
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": definitions(kind) if with_columns else [],
        "rows": [row(kind, entry.obj, now, include) for entry in entries],
    }
