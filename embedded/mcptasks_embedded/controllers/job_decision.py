"""What the Job controller does next, as a pure function of a Job, its Pods and the time.

Follows kubernetes/pkg/controller/job at 1.31 and later: KEP-2307 (tracking with finalizers), KEP-3329
(podFailurePolicy), KEP-3939 (podReplacementPolicy), KEP-4368 (SuccessCriteriaMet and FailureTarget come before
Complete and Failed).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from mcptasks_embedded.values import times

Json = dict[str, Any]

TRACKING = "batch.kubernetes.io/job-tracking"
CONTROLLER = "kubernetes.io/job-controller"


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delay between failed Pods in seconds: `base`, doubled with each failure in a row, at most `limit`."""

    base: float = 10.0
    limit: float = 360.0

    def delay(self, failures: int) -> float:
        return min(self.base * float(2 ** min(max(failures - 1, 0), 30)), self.limit)


@dataclass(frozen=True, slots=True)
class PodFailureVerdict:
    """A podFailurePolicy rule that matched a failed Pod."""

    action: str
    message: str


@dataclass(frozen=True, slots=True)
class JobEvent:
    """An Event to record about the Job."""

    severity: str
    reason: str
    message: str


@dataclass(slots=True)
class JobPlan:
    """`status` is the Job's next status; `again` says in how many seconds to look again whatever happens."""

    status: Json
    create: int = 0
    delete: list[Json] = field(default_factory=list)
    untrack: list[Json] = field(default_factory=list)
    notes: list[JobEvent] = field(default_factory=list)
    again: float | None = None

    def come_again(self, seconds: float) -> None:
        seconds = max(seconds, 0.001)
        self.again = seconds if self.again is None else min(self.again, seconds)


# --- Pods ---


def is_tracked(pod: Json) -> bool:
    return TRACKING in (pod["metadata"].get("finalizers") or ())


def phase(pod: Json) -> str:
    return str((pod.get("status") or {}).get("phase", "Pending"))


def is_finished(pod: Json) -> bool:
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Json) -> bool:
    return not is_finished(pod) and "deletionTimestamp" not in pod["metadata"]


def is_terminating(pod: Json) -> bool:
    return not is_finished(pod) and "deletionTimestamp" in pod["metadata"]


def is_ready(pod: Json) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def deletion_order(pod: Json) -> tuple[bool, bool, bool, float]:
    """Sorts Pods by how much is lost with them: those that have come furthest last, the oldest of these at the end."""
    created = times.parse(pod["metadata"]["creationTimestamp"])
    return bool(pod["spec"].get("nodeName")), phase(pod) == "Running", is_ready(pod), -created.timestamp()


def finished_at(pod: Json, now: datetime) -> datetime:
    stamps = [
        state["terminated"]["finishedAt"]
        for status in (pod.get("status") or {}).get("containerStatuses") or ()
        if (state := status.get("state") or {}).get("terminated", {}).get("finishedAt")
    ]
    return max((times.parse(stamp) for stamp in stamps), default=now)


# --- podFailurePolicy ---


def failure_verdict(policy: Json | None, pod: Json) -> PodFailureVerdict | None:
    """The first rule that matches a failed Pod."""
    for index, rule in enumerate((policy or {}).get("rules") or ()):
        what = _exit_code_match(rule["onExitCodes"], pod) if rule.get("onExitCodes") else _condition_match(rule, pod)
        if what:
            return PodFailureVerdict(rule["action"], f"{what} matching {rule['action']} rule at index {index}")
    return None


def _pod_name(pod: Json) -> str:
    return f"{pod['metadata'].get('namespace', '')}/{pod['metadata']['name']}"


def _exit_code_match(requirement: Json, pod: Json) -> str:
    status = pod.get("status") or {}
    for container in [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]:
        wanted = requirement.get("containerName")
        terminated = (container.get("state") or {}).get("terminated")
        if terminated is None or not terminated.get("exitCode") or (wanted and container["name"] != wanted):
            continue
        code = terminated["exitCode"]
        if (code in requirement["values"]) == (requirement["operator"] == "In"):
            return f"Container {container['name']} for pod {_pod_name(pod)} failed with exit code {code}"
    return ""


def _condition_match(rule: Json, pod: Json) -> str:
    present = {c["type"]: c["status"] for c in (pod.get("status") or {}).get("conditions") or ()}
    for pattern in rule.get("onPodConditions") or ():
        if present.get(pattern["type"]) == pattern.get("status", "True"):
            return f"Pod {_pod_name(pod)} has condition {pattern['type']}"
    return ""


# --- Conditions ---


def condition(status: Json, kind: str) -> Json | None:
    for item in status.get("conditions") or ():
        if item["type"] == kind:
            return dict(item)
    return None


def is_true(status: Json, kind: str) -> bool:
    found = condition(status, kind)
    return found is not None and found["status"] == "True"


def job_finished(job: Json) -> bool:
    status = job.get("status") or {}
    return is_true(status, "Complete") or is_true(status, "Failed")


def _set_condition(status: Json, now: datetime, kind: str, reason: str, message: str, value: str = "True") -> None:
    stamp = times.stamp(now)
    item = {"type": kind, "status": value, "lastProbeTime": stamp, "lastTransitionTime": stamp}
    item |= {"reason": reason, "message": message}
    kept = [other for other in status.get("conditions") or () if other["type"] != kind]
    status["conditions"] = [*kept, item]


# --- The decision ---


class JobDecision:
    """Works out one `Plan`. The steps share the Job, its Pods and the status under construction."""

    def __init__(self, job: Json, pods: Sequence[Json], now: datetime, backoff: Backoff) -> None:
        self._job = job
        self._spec = job["spec"]
        self._pods = pods
        self._now = now
        self._backoff = backoff
        self._plan = JobPlan(dict(job.get("status") or {}))
        self._deleting = "deletionTimestamp" in job["metadata"]
        self._fail_job: PodFailureVerdict | None = None

    def make(self) -> JobPlan:
        plan = self._plan
        if job_finished(self._job):
            plan.untrack += [pod for pod in self._pods if is_tracked(pod)]
            return plan
        self._count_pods()
        self._suspend_or_start()
        self._judge()
        if not self._is_decided() and not self._is_suspended():
            self._manage()
        self._stop_pods()
        self._numbers()
        self._finish()
        return plan

    # Counting takes two steps, as in Kubernetes: first the uid is noted in the status, then the Pod loses its finalizer
    # and the number grows. The Job's outcome is known at the first step.
    def _count_pods(self) -> None:
        status = self._plan.status
        noted = status.get("uncountedTerminatedPods") or {}
        noted = {kind: list(noted.get(kind) or ()) for kind in ("succeeded", "failed")}
        settled = {uid for uids in noted.values() for uid in uids}
        for kind, uids in noted.items():
            if uids:
                status[kind] = status.get(kind, 0) + len(uids)
        fresh: dict[str, list[str]] = {"succeeded": [], "failed": []}
        for pod in self._pods:
            if not is_tracked(pod) or not is_finished(pod):
                continue
            if pod["metadata"]["uid"] in settled:
                self._plan.untrack.append(pod)
            else:
                self._note(pod, fresh)
        status["uncountedTerminatedPods"] = {kind: uids for kind, uids in fresh.items() if uids}

    def _note(self, pod: Json, fresh: dict[str, list[str]]) -> None:
        if phase(pod) == "Succeeded":
            fresh["succeeded"].append(pod["metadata"]["uid"])
            return
        verdict = failure_verdict(self._spec.get("podFailurePolicy"), pod)
        if verdict is not None and verdict.action == "Ignore":
            self._plan.untrack.append(pod)
            return
        if verdict is not None and verdict.action == "FailJob" and self._fail_job is None:
            self._fail_job = verdict
        fresh["failed"].append(pod["metadata"]["uid"])

    def _total(self, kind: str) -> int:
        status = self._plan.status
        return int(status.get(kind, 0)) + len((status.get("uncountedTerminatedPods") or {}).get(kind) or ())

    def _is_suspended(self) -> bool:
        return bool(self._spec.get("suspend"))

    def _suspend_or_start(self) -> None:
        status, now = self._plan.status, self._now
        if self._is_suspended():
            if not is_true(status, "Suspended"):
                _set_condition(status, now, "Suspended", "JobSuspended", "Job suspended")
                status.pop("startTime", None)
                self._plan.notes.append(JobEvent("Normal", "Suspended", "Job suspended"))
            return
        if is_true(status, "Suspended"):
            _set_condition(status, now, "Suspended", "JobResumed", "Job resumed", "False")
            self._plan.notes.append(JobEvent("Normal", "Resumed", "Job resumed"))
        status.setdefault("startTime", times.stamp(now))

    def _is_decided(self) -> bool:
        status = self._plan.status
        return is_true(status, "FailureTarget") or is_true(status, "SuccessCriteriaMet")

    def _judge(self) -> None:
        status, now = self._plan.status, self._now
        if self._is_decided():
            return
        if self._fail_job is not None:
            _set_condition(status, now, "FailureTarget", "PodFailurePolicy", self._fail_job.message)
        elif self._past_backoff_limit():
            message = "Job has reached the specified backoff limit"
            _set_condition(status, now, "FailureTarget", "BackoffLimitExceeded", message)
        elif self._past_deadline():
            message = "Job was active longer than specified deadline"
            _set_condition(status, now, "FailureTarget", "DeadlineExceeded", message)
        elif self._is_complete():
            message = "Reached expected number of succeeded pods"
            _set_condition(status, now, "SuccessCriteriaMet", "CompletionsReached", message)

    def _past_backoff_limit(self) -> bool:
        limit = int(self._spec.get("backoffLimit", 6))
        if self._total("failed") > limit:
            return True
        if self._spec["template"]["spec"].get("restartPolicy") != "OnFailure":
            return False
        restarts = sum(_restarts(pod) for pod in self._pods if not is_finished(pod))
        return restarts > 0 if limit == 0 else restarts >= limit

    def _past_deadline(self) -> bool:
        seconds = self._spec.get("activeDeadlineSeconds")
        started = self._plan.status.get("startTime")
        if seconds is None or started is None or self._is_suspended():
            return False
        left = (times.parse(started) + timedelta(seconds=seconds) - self._now).total_seconds()
        if left > 0:
            self._plan.come_again(left)
        return left <= 0

    def _is_complete(self) -> bool:
        completions = self._spec.get("completions")
        succeeded = self._total("succeeded")
        if completions is not None:
            return succeeded >= int(completions)
        return succeeded > 0 and not any(is_active(pod) for pod in self._pods)

    def _manage(self) -> None:
        """Create what is missing, delete what is too much."""
        active = [pod for pod in self._pods if is_active(pod)]
        wanted = int(self._spec.get("parallelism", 1))
        completions = self._spec.get("completions")
        if completions is not None:
            wanted = min(wanted, completions - self._total("succeeded"))
        elif self._total("succeeded"):
            wanted = len(active)
        occupied = len(active)
        if self._spec.get("podReplacementPolicy") == "Failed":
            occupied += sum(is_terminating(pod) for pod in self._pods)
        if len(active) > wanted:
            self._delete_uncounted(sorted(active, key=deletion_order)[: len(active) - max(wanted, 0)])
        elif wanted > occupied and not self._deleting:
            wait = self._backoff_left()
            if wait > 0:
                self._plan.come_again(wait)
            else:
                self._plan.create = wanted - occupied

    def _backoff_left(self) -> float:
        failed = [finished_at(pod, self._now) for pod in self._pods if phase(pod) == "Failed"]
        successes = [finished_at(pod, self._now) for pod in self._pods if phase(pod) == "Succeeded"]
        last_success = max(successes, default=None)
        failed = [moment for moment in failed if last_success is None or moment > last_success]
        if not failed:
            return 0.0
        return self._backoff.delay(len(failed)) - (self._now - max(failed)).total_seconds()

    def _delete_uncounted(self, pods: list[Json]) -> None:
        """Delete Pods that are not wanted any more: their end is neither a success nor a failure."""
        self._plan.delete += pods
        self._plan.untrack += [pod for pod in pods if is_tracked(pod)]

    def _stop_pods(self) -> None:
        active = [pod for pod in self._pods if is_active(pod)]
        if self._is_decided():
            self._plan.delete += active
        elif self._is_suspended():
            self._delete_uncounted(active)

    def _numbers(self) -> None:
        status, plan = self._plan.status, self._plan
        stopped = {pod["metadata"]["uid"] for pod in plan.delete}
        active = [pod for pod in self._pods if is_active(pod) and pod["metadata"]["uid"] not in stopped]
        count = len(active) + plan.create
        if count:
            status["active"] = count
        else:
            status.pop("active", None)
        status["ready"] = sum(is_ready(pod) for pod in active)
        status["terminating"] = sum(is_terminating(pod) for pod in self._pods) + len(stopped)

    def _finish(self) -> None:
        status = self._plan.status
        tracked = [pod for pod in self._pods if is_tracked(pod) and pod not in self._plan.untrack]
        if not self._is_decided() or tracked or status["terminating"] or status.get("active"):
            return
        if status["uncountedTerminatedPods"]:
            return
        if (early := condition(status, "FailureTarget")) is not None:
            _set_condition(status, self._now, "Failed", early["reason"], early["message"])
            self._plan.notes.append(JobEvent("Warning", early["reason"], early["message"]))
            return
        early = condition(status, "SuccessCriteriaMet") or {}
        _set_condition(status, self._now, "Complete", early["reason"], early["message"])
        status["completionTime"] = times.stamp(self._now)
        self._plan.notes.append(JobEvent("Normal", "Completed", "Job completed"))


def _restarts(pod: Json) -> int:
    return sum(item.get("restartCount", 0) for item in _statuses(pod))


def _statuses(pod: Json) -> Iterator[Json]:
    status = pod.get("status") or {}
    yield from status.get("containerStatuses") or ()
    yield from status.get("initContainerStatuses") or ()


def decide(job: Json, pods: Sequence[Json], now: datetime, backoff: Backoff) -> JobPlan:
    """The next step for `job`. `pods` are all Pods that it controls."""
    return JobDecision(job, pods, now, backoff).make()
