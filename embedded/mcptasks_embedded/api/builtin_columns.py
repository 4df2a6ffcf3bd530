"""The columns of the built-in kinds, after kubernetes/pkg/printers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from mcptasks_embedded.api.table_columns import (
    AGE,
    CREATED,
    NAME,
    NONE,
    UNKNOWN,
    Getter,
    TableColumn,
    age,
    count_of,
    metadata_text,
    value_at,
)
from mcptasks_embedded.values import times
from mcptasks_embedded.values.json_object import Json
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


def pod_status_text(pod: Json, now: datetime) -> str:
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
    NAME,
    TableColumn("Ready", _pod_ready),
    TableColumn("Status", pod_status_text),
    TableColumn("Restarts", _restarts),
    AGE,
    TableColumn("IP", value_at(".status.podIP", NONE), priority=1),
    TableColumn("Node", value_at(".spec.nodeName", NONE), priority=1),
    TableColumn("Nominated Node", lambda pod, now: NONE, priority=1),
    TableColumn("Readiness Gates", lambda pod, now: NONE, priority=1),
)


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
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or NONE


_JOB = (
    NAME,
    TableColumn("Status", _job_status),
    TableColumn("Completions", _completions),
    TableColumn("Duration", _job_duration),
    AGE,
    TableColumn("Containers", _containers("name"), priority=1),
    TableColumn("Images", _containers("image"), priority=1),
    TableColumn("Selector", _job_selector, priority=1),
)


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
    TableColumn("Type", value_at(".type")),
    TableColumn("Reason", value_at(".reason")),
    TableColumn("Object", _event_object),
    TableColumn("Subobject", value_at(".involvedObject.fieldPath"), priority=1),
    TableColumn("Source", _event_source, priority=1),
    TableColumn("Message", lambda event, now: str(event.get("message", "")).strip()),
    TableColumn("First Seen", _first_seen, priority=1),
    TableColumn("Count", lambda event, now: str(event.get("count", 1)), priority=1),
    TableColumn("Name", metadata_text("name"), format="name", priority=1),
)


def _node_status(node: Json, now: datetime) -> str:
    ready = "Ready" if _has_condition(node, "Ready") else "NotReady"
    return f"{ready},SchedulingDisabled" if node["spec"].get("unschedulable") else ready


_NODE = (
    NAME,
    TableColumn("Status", _node_status),
    TableColumn("Roles", lambda node, now: NONE),
    AGE,
    TableColumn("Version", value_at(".status.nodeInfo.kubeletVersion")),
    TableColumn("Internal-IP", value_at(".status.addresses[?(@.type=='InternalIP')].address", NONE), priority=1),
    TableColumn("OS-Image", value_at(".status.nodeInfo.osImage", UNKNOWN), priority=1),
    TableColumn("Kernel-Version", value_at(".status.nodeInfo.kernelVersion", UNKNOWN), priority=1),
    TableColumn("Container-Runtime", value_at(".status.nodeInfo.containerRuntimeVersion", UNKNOWN), priority=1),
)


def _role(binding: Json, now: datetime) -> str:
    reference = binding.get("roleRef") or {}
    return f"{reference.get('kind')}/{reference.get('name')}"


def _ports(service: Json, now: datetime) -> str:
    ports = service.get("spec", {}).get("ports") or ()
    return ",".join(f"{port.get('port')}/{port.get('protocol', 'TCP')}" for port in ports) or NONE


BUILTIN_COLUMNS: Mapping[GroupResource, tuple[TableColumn, ...]] = {
    PODS: _POD,
    JOBS: _JOB,
    EVENTS: _EVENT,
    NODES: _NODE,
    NAMESPACES: (NAME, TableColumn("Status", value_at(".status.phase")), AGE),
    GroupResource("", "secrets"): (
        NAME,
        TableColumn("Type", value_at(".type")),
        TableColumn("Data", count_of("data"), type="integer"),
        AGE,
    ),
    GroupResource("", "configmaps"): (NAME, TableColumn("Data", count_of("data", "binaryData"), type="integer"), AGE),
    GroupResource("", "services"): (
        NAME,
        TableColumn("Type", value_at(".spec.type")),
        TableColumn("Cluster-IP", value_at(".spec.clusterIP", NONE)),
        TableColumn("External-IP", lambda service, now: NONE),
        TableColumn("Port(s)", _ports),
        AGE,
    ),
    LEASES: (NAME, TableColumn("Holder", value_at(".spec.holderIdentity")), AGE),
    CRDS: (NAME, CREATED),
    GroupResource(RBAC_GROUP, "roles"): (NAME, CREATED),
    GroupResource(RBAC_GROUP, "clusterroles"): (NAME, CREATED),
    GroupResource(RBAC_GROUP, "rolebindings"): (NAME, TableColumn("Role", _role), AGE),
    GroupResource(RBAC_GROUP, "clusterrolebindings"): (NAME, TableColumn("Role", _role), AGE),
}
