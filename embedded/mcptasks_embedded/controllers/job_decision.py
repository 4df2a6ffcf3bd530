"""What the Job controller does next, as a pure function of a Job, its Pods and the time.

Follows kubernetes/pkg/controller/job at 1.31 and later: KEP-2307 (tracking with finalizers), KEP-3329
(podFailurePolicy), KEP-3939 (podReplacementPolicy), KEP-4368 (SuccessCriteriaMet and FailureTarget come before
Complete and Failed).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mcptasks_embedded.controllers.job_conditions import condition, has_condition, is_job_finished, set_condition
from mcptasks_embedded.controllers.job_pods import (
    deletion_order,
    ended_at,
    is_active,
    is_finished,
    is_ready,
    is_terminating,
    is_tracked,
    phase,
    restarts,
)
from mcptasks_embedded.controllers.pod_failure_policy import PodFailureVerdict, failure_verdict
from mcptasks_embedded.values import times
from mcptasks_embedded.values.json_object import Json

CONTROLLER = "kubernetes.io/job-controller"


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delay between failed Pods, in seconds: `base`, doubled with each consecutive failure, at most `limit`."""

    base: float = 10.0
    limit: float = 360.0

    def delay(self, failures: int) -> float:
        return min(self.base * float(2 ** min(max(failures - 1, 0), 30)), self.limit)


@dataclass(frozen=True, slots=True)
class JobEvent:
    """An Event to record about the Job."""

    severity: str
    reason: str
    message: str


@dataclass(slots=True)
class JobPlan:
    """`status` is the Job's next status; `requeue_after` says in how many seconds to look again in any case."""

    status: Json
    create: int = 0
    delete: list[Json] = field(default_factory=list)
    untrack: list[Json] = field(default_factory=list)
    events: list[JobEvent] = field(default_factory=list)
    requeue_after: float | None = None

    def requeue(self, seconds: float) -> None:
        seconds = max(seconds, 0.001)
        self.requeue_after = seconds if self.requeue_after is None else min(self.requeue_after, seconds)


class JobDecision:
    """Works out one `JobPlan`. The steps share the Job, its Pods and the status under construction."""

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
        if is_job_finished(self._job):
            plan.untrack += [pod for pod in self._pods if is_tracked(pod)]
            return plan
        self._count_pods()
        self._suspend_or_start()
        self._decide_outcome()
        if not self._is_decided() and not self._is_suspended():
            self._scale()
        self._stop_pods()
        self._count_pods_in_status()
        self._conclude()
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
                self._count_pod(pod, fresh)
        status["uncountedTerminatedPods"] = {kind: uids for kind, uids in fresh.items() if uids}

    def _count_pod(self, pod: Json, fresh: dict[str, list[str]]) -> None:
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
            if not has_condition(status, "Suspended"):
                set_condition(status, now, "Suspended", "JobSuspended", "Job suspended")
                status.pop("startTime", None)
                self._plan.events.append(JobEvent("Normal", "Suspended", "Job suspended"))
            return
        if has_condition(status, "Suspended"):
            set_condition(status, now, "Suspended", "JobResumed", "Job resumed", "False")
            self._plan.events.append(JobEvent("Normal", "Resumed", "Job resumed"))
        status.setdefault("startTime", times.stamp(now))

    def _is_decided(self) -> bool:
        status = self._plan.status
        return has_condition(status, "FailureTarget") or has_condition(status, "SuccessCriteriaMet")

    def _decide_outcome(self) -> None:
        status, now = self._plan.status, self._now
        if self._is_decided():
            return
        if self._fail_job is not None:
            set_condition(status, now, "FailureTarget", "PodFailurePolicy", self._fail_job.message)
        elif self._past_backoff_limit():
            message = "Job has reached the specified backoff limit"
            set_condition(status, now, "FailureTarget", "BackoffLimitExceeded", message)
        elif self._past_deadline():
            message = "Job was active longer than specified deadline"
            set_condition(status, now, "FailureTarget", "DeadlineExceeded", message)
        elif self._is_complete():
            message = "Reached expected number of succeeded pods"
            set_condition(status, now, "SuccessCriteriaMet", "CompletionsReached", message)

    def _past_backoff_limit(self) -> bool:
        limit = int(self._spec.get("backoffLimit", 6))
        if self._total("failed") > limit:
            return True
        if self._spec["template"]["spec"].get("restartPolicy") != "OnFailure":
            return False
        restarts = sum(restarts(pod) for pod in self._pods if not is_finished(pod))
        return restarts > 0 if limit == 0 else restarts >= limit

    def _past_deadline(self) -> bool:
        seconds = self._spec.get("activeDeadlineSeconds")
        started = self._plan.status.get("startTime")
        if seconds is None or started is None or self._is_suspended():
            return False
        left = (times.parse(started) + timedelta(seconds=seconds) - self._now).total_seconds()
        if left > 0:
            self._plan.requeue(left)
        return left <= 0

    def _is_complete(self) -> bool:
        completions = self._spec.get("completions")
        succeeded = self._total("succeeded")
        if completions is not None:
            return succeeded >= int(completions)
        return succeeded > 0 and not any(is_active(pod) for pod in self._pods)

    def _scale(self) -> None:
        """Create the Pods that are missing, delete those in excess."""
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
                self._plan.requeue(wait)
            else:
                self._plan.create = wanted - occupied

    def _backoff_left(self) -> float:
        failed = [ended_at(pod, self._now) for pod in self._pods if phase(pod) == "Failed"]
        successes = [ended_at(pod, self._now) for pod in self._pods if phase(pod) == "Succeeded"]
        last_success = max(successes, default=None)
        failed = [moment for moment in failed if last_success is None or moment > last_success]
        if not failed:
            return 0.0
        return self._backoff.delay(len(failed)) - (self._now - max(failed)).total_seconds()

    def _delete_uncounted(self, pods: list[Json]) -> None:
        """Delete Pods that are no longer wanted: their end is neither a success nor a failure."""
        self._plan.delete += pods
        self._plan.untrack += [pod for pod in pods if is_tracked(pod)]

    def _stop_pods(self) -> None:
        active = [pod for pod in self._pods if is_active(pod)]
        if self._is_decided():
            self._plan.delete += active
        elif self._is_suspended():
            self._delete_uncounted(active)

    def _count_pods_in_status(self) -> None:
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

    def _conclude(self) -> None:
        status = self._plan.status
        tracked = [pod for pod in self._pods if is_tracked(pod) and pod not in self._plan.untrack]
        if not self._is_decided() or tracked or status["terminating"] or status.get("active"):
            return
        if status["uncountedTerminatedPods"]:
            return
        if (early := condition(status, "FailureTarget")) is not None:
            set_condition(status, self._now, "Failed", early["reason"], early["message"])
            self._plan.events.append(JobEvent("Warning", early["reason"], early["message"]))
            return
        early = condition(status, "SuccessCriteriaMet") or {}
        set_condition(status, self._now, "Complete", early["reason"], early["message"])
        status["completionTime"] = times.stamp(self._now)
        self._plan.events.append(JobEvent("Normal", "Completed", "Job completed"))


def decide(job: Json, pods: Sequence[Json], now: datetime, backoff: Backoff) -> JobPlan:
    """The next step for `job`. `pods` are all Pods that it controls."""
    return JobDecision(job, pods, now, backoff).make()
