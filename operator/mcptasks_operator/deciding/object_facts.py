"""What the operator needs to know of Jobs, Pods and events, taken from the API server's objects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from mcptasks.model.base import (
    ANNOTATION_DRAIN,
    ANNOTATION_TASKS_PER_WORKER,
    GROUP,
    LABEL_TASK,
    LABEL_TASK_UID,
    LABEL_TEMPLATE,
    LABEL_TEMPLATE_HASH,
    RUNNER,
    JsonObject,
    is_worker,
    time_of,
)
from mcptasks.model.event_times import last_seen

MANAGED_BY_WARM = f"{GROUP}/warm"
"""`spec.managedBy` of the Jobs of tasks that workers run (KEP-4368)."""

NEVER = datetime.fromtimestamp(0, UTC)


class JobOutcome(StrEnum):
    """How a Job finished: the type of its terminal condition."""

    COMPLETE = "Complete"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Owner:
    """The controller that an object belongs to."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What matters of a Job to its task. `gone_at` is set once the Job is known to be gone."""

    name: str
    uid: str
    created_at: datetime
    owner: Owner | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    outcome: JobOutcome | None = None
    reason: str = ""
    message: str = ""
    suspended: bool = False
    backoff_limit: int = 0
    retries_disruptions: bool = False
    timeout_seconds: int | None = None
    queue: str | None = None
    ttl_seconds: int | None = None
    template_hash: str = ""
    managed_by: str = ""
    deleting: bool = False
    gone_at: datetime | None = None

    def belongs_to(self, uid: str) -> bool:
        """Whether the object with this uid controls the Job."""
        return self.owner is not None and self.owner.uid == uid

    @property
    def start(self) -> datetime:
        """When the Job began to ask for Pods: on creation, or when it was last resumed."""
        return max(self.created_at, self.started_at or NEVER)


@dataclass(frozen=True, slots=True)
class WaitingState:
    """A container that has not started, and why."""

    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class RunningState:
    """A container that runs."""

    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TerminatedState:
    """A container that has ended."""

    exit_code: int
    signal: int = 0
    reason: str = ""
    message: str = ""
    finished_at: datetime | None = None


ContainerState = WaitingState | RunningState | TerminatedState


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """A container of a Pod. `init` marks those that run before the others."""

    name: str
    state: ContainerState = WaitingState()
    image: str = ""
    memory_limit: str | None = None
    init: bool = False


@dataclass(frozen=True, slots=True)
class Disruption:
    """Why the cluster took the Pod away: the DisruptionTarget condition."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """What a worker's Pod says of itself: how many tasks it may run (0: no limit), and whether it takes new ones.

    `template` is the label value of its template's name.
    """

    tasks_per_worker: int = 0
    drains: bool = False
    template: str = ""


@dataclass(frozen=True, slots=True)
class PodFacts:
    """A Pod of a task, which is one attempt, or of a worker.

    `scheduled_at` is when the Pod got a node. `deletion_due` is when a Pod that is being deleted should be gone.
    `ready_at` is since when the Pod has been ready; `unready_since` is when one that does not answer its readiness
    probe last did, or was made. `node_lost`: its node does not answer. `worker` is what concerns a worker alone;
    `owner` is its controller.
    """

    name: str
    uid: str
    created_at: datetime
    task_uid: str = ""
    template_hash: str = ""
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    node: str | None = None
    started_at: datetime | None = None
    scheduled_at: datetime | None = None
    unschedulable: str | None = None
    disruption: Disruption | None = None
    runner: ContainerFacts = ContainerFacts(RUNNER)
    others: tuple[ContainerFacts, ...] = ()
    timeout_seconds: int | None = None
    grace_seconds: int = 30
    deletion_due: datetime | None = None
    ready: bool = False
    unready_since: datetime | None = None
    ready_at: datetime | None = None
    node_lost: bool = False
    owner: Owner | None = None
    worker: WorkerFacts | None = None
    gone_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether no process of the Pod is left."""
        return self.gone_at is not None or self.phase in ("Succeeded", "Failed")

    @property
    def runner_ended(self) -> bool:
        """Whether no process of the tool's container is left, nor will be: it is started once.

        Other containers, as a sidecar, may keep the Pod for as long as they like.
        """
        return self.ended or isinstance(self.runner.state, TerminatedState)

    @property
    def runner_failed(self) -> bool:
        """Whether the Pod has failed, or will have once its other containers have ended."""
        state = self.runner.state
        return self.phase == "Failed" or (isinstance(state, TerminatedState) and state.exit_code != 0)

    @property
    def started(self) -> bool:
        """Whether the tool's container has been started."""
        return not isinstance(self.runner.state, WaitingState)

    @property
    def deleting(self) -> bool:
        return self.deletion_due is not None

    @property
    def ended_at(self) -> datetime:
        """When the last container ended, as well as it is known."""
        ends = [c.state.finished_at for c in (self.runner, *self.others) if isinstance(c.state, TerminatedState)]
        return max([end for end in ends if end] or [self.gone_at or self.created_at])


@dataclass(frozen=True, slots=True)
class WarningEvent:
    """A Kubernetes event that says what keeps a Pod: of type Warning, or of an autoscaler."""

    reason: str
    message: str
    last_seen: datetime = NEVER


def parse_time(text: str | None) -> datetime | None:
    """A Kubernetes timestamp; None where there is none that Python has."""
    return time_of(text) if text else None


def task_key(item: JsonObject) -> tuple[str, str] | None:
    """Namespace and name of the task that an object's labels name."""
    metadata = item["metadata"]
    name = (metadata.get("labels") or {}).get(LABEL_TASK)
    return (metadata.get("namespace", ""), name) if name else None


def task_uid(item: JsonObject) -> str:
    """Uid of the task that an object's labels name."""
    return _label(item["metadata"], LABEL_TASK_UID)


def _label(metadata: JsonObject, name: str) -> str:
    return str((metadata.get("labels") or {}).get(name, ""))


def job_facts(job: JsonObject) -> JobFacts:
    """The facts of a `batch/v1` Job."""
    metadata, spec, status = job["metadata"], job.get("spec") or {}, job.get("status") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or () if c.get("status") == "True"}
    outcome = next((o for o in JobOutcome if o.value in conditions), None)
    decisive = conditions.get(outcome.value if outcome else "FailureTarget") or {}
    pod_spec = (spec.get("template") or {}).get("spec") or {}
    return JobFacts(
        name=metadata["name"],
        uid=metadata["uid"],
        created_at=parse_time(metadata.get("creationTimestamp")) or NEVER,
        owner=_controller(metadata),
        started_at=parse_time(status.get("startTime")),
        finished_at=parse_time(decisive.get("lastTransitionTime")) if outcome else None,
        outcome=outcome,
        reason=decisive.get("reason", ""),
        message=decisive.get("message", ""),
        # A Job that was just resumed has the condition, and an old startTime, until the Job controller has seen it.
        suspended=bool(spec.get("suspend")) or "Suspended" in conditions,
        backoff_limit=spec.get("backoffLimit", 6),
        retries_disruptions=_retries_disruptions(spec),
        timeout_seconds=pod_spec.get("activeDeadlineSeconds"),
        queue=(metadata.get("labels") or {}).get("kueue.x-k8s.io/queue-name"),
        ttl_seconds=spec.get("ttlSecondsAfterFinished"),
        template_hash=_label(metadata, LABEL_TEMPLATE_HASH),
        managed_by=spec.get("managedBy") or "",
        deleting=bool(metadata.get("deletionTimestamp")),
    )


def _controller(metadata: JsonObject) -> Owner | None:
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller"):
            return Owner(reference["kind"], reference["name"], reference["uid"])
    return None


def _retries_disruptions(spec: JsonObject) -> bool:
    rules = (spec.get("podFailurePolicy") or {}).get("rules") or ()
    return any(rule.get("action") == "Ignore" and rule.get("onPodConditions") for rule in rules)


def pod_facts(pod: JsonObject) -> PodFacts:
    """The facts of a Pod."""
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    runner, others = _containers(spec, status)
    return PodFacts(
        name=metadata["name"],
        uid=metadata["uid"],
        created_at=parse_time(metadata.get("creationTimestamp")) or NEVER,
        task_uid=task_uid(pod),
        template_hash=_label(metadata, LABEL_TEMPLATE_HASH),
        phase=status.get("phase", "Pending"),
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        node=spec.get("nodeName"),
        started_at=parse_time(status.get("startTime")),
        scheduled_at=_true_since(conditions, "PodScheduled"),
        unschedulable=_unschedulable(conditions),
        disruption=_disruption(conditions),
        runner=runner,
        others=others,
        timeout_seconds=spec.get("activeDeadlineSeconds"),
        grace_seconds=spec.get("terminationGracePeriodSeconds") or 30,
        deletion_due=parse_time(metadata.get("deletionTimestamp")),
        ready=(conditions.get("Ready") or {}).get("status") == "True",
        unready_since=_unready_since(conditions),
        ready_at=_true_since(conditions, "Ready"),
        node_lost=_node_lost(conditions),
        owner=_controller(metadata),
        worker=_worker_facts(pod),
    )


def _worker_facts(pod: JsonObject) -> WorkerFacts | None:
    if not is_worker(pod):
        return None
    metadata = pod["metadata"]
    annotations = metadata.get("annotations") or {}
    per_worker = str(annotations.get(ANNOTATION_TASKS_PER_WORKER, ""))
    return WorkerFacts(
        tasks_per_worker=int(per_worker) if per_worker.isdecimal() else 0,
        drains=annotations.get(ANNOTATION_DRAIN) == "true",
        template=_label(metadata, LABEL_TEMPLATE),
    )


def _node_lost(conditions: dict[str, JsonObject]) -> bool:
    """Of a node that does not answer the node controller marks the Pods as not ready, and no kubelet the containers."""
    ready, containers = conditions.get("Ready") or {}, conditions.get("ContainersReady") or {}
    return ready.get("status") == "False" and not ready.get("reason") and containers.get("status") == "True"


def _true_since(conditions: dict[str, JsonObject], kind: str) -> datetime | None:
    found = conditions.get(kind) or {}
    return parse_time(found.get("lastTransitionTime")) if found.get("status") == "True" else None


def _unready_since(conditions: dict[str, JsonObject]) -> datetime | None:
    ready = conditions.get("Ready") or {}
    return parse_time(ready.get("lastTransitionTime")) if ready.get("status") == "False" else None


def _unschedulable(conditions: dict[str, JsonObject]) -> str | None:
    scheduled = conditions.get("PodScheduled") or {}
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        return str(scheduled.get("message") or "no node is suitable")
    return None


def _disruption(conditions: dict[str, JsonObject]) -> Disruption | None:
    target = conditions.get("DisruptionTarget") or {}
    if target.get("status") != "True":
        return None
    return Disruption(target.get("reason", ""), target.get("message", ""))


def _containers(spec: JsonObject, status: JsonObject) -> tuple[ContainerFacts, tuple[ContainerFacts, ...]]:
    main = list(_container_facts(spec.get("containers"), status.get("containerStatuses"), init=False))
    init = list(_container_facts(spec.get("initContainers"), status.get("initContainerStatuses"), init=True))
    runner = next((c for c in main if c.name == RUNNER), main[0] if main else ContainerFacts(RUNNER))
    return runner, tuple(c for c in (*init, *main) if c is not runner)


def _container_facts(
    specs: list[JsonObject] | None, statuses: list[JsonObject] | None, *, init: bool
) -> Iterable[ContainerFacts]:
    by_name = {status["name"]: status for status in statuses or ()}
    for spec in specs or ():
        status = by_name.get(spec["name"]) or {}
        yield ContainerFacts(
            name=spec["name"],
            state=_state(status.get("state") or {}),
            image=spec.get("image", ""),
            memory_limit=((spec.get("resources") or {}).get("limits") or {}).get("memory"),
            init=init,
        )


def _state(state: JsonObject) -> ContainerState:
    if ended := state.get("terminated"):
        return TerminatedState(
            exit_code=ended.get("exitCode", 0),
            signal=ended.get("signal") or 0,
            reason=ended.get("reason", ""),
            message=ended.get("message", ""),
            finished_at=parse_time(ended.get("finishedAt")),
        )
    if running := state.get("running"):
        return RunningState(parse_time(running.get("startedAt")))
    waiting = state.get("waiting") or {}
    return WaitingState(waiting.get("reason", ""), waiting.get("message", ""))


def warning_events(events: Iterable[JsonObject]) -> tuple[WarningEvent, ...]:
    """The warnings among `v1` Events, the latest first."""
    return latest_first(event for event in events if event.get("type") == "Warning")


def latest_first(events: Iterable[JsonObject]) -> tuple[WarningEvent, ...]:
    """`v1` Events, the latest first."""
    found = [
        WarningEvent(
            reason=event.get("reason", ""),
            message=event.get("message", ""),
            last_seen=last_seen(event) or NEVER,
        )
        for event in events
    ]
    return tuple(sorted(found, key=lambda warning: warning.last_seen, reverse=True))
