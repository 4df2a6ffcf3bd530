"""What to do next for a task, given what is known of it, its Job and its Pods. Pure: no I/O, no clock.

`decide` names one step at a time; whoever carries it out looks again and asks again. So every step rests on the state
that the step before left behind, and an operator that dies between two steps goes on where it stopped.

One Job per task, and who remembers it. The operator writes nothing when it creates the Job: the Job has the task's
name, so that a second create meets the first one. That the Job *was* there is known from `status.jobName`, which the
gateway sets when a process claims the task, and, before that, from the Job's tombstone in the cache. A Job that is
deleted before any process has claimed the task, while no operator looks, is created again: no tool code has run, so
that nothing runs twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeAlias

from mcptasks.gateway.contract import RunnerExitCode
from mcptasks.model.lifecycle import PODS_TERMINATED, SCHEDULED, Ending, created_at, expiry
from mcptasks.model.questions import answers_due, timed_out, waited
from mcptasks.model.task import McpTask, Phase, Reason
from mcptasks_operator.deciding import diagnose
from mcptasks_operator.deciding.diagnose import Diagnosis
from mcptasks_operator.deciding.facts import JobFacts, PodFacts, Running, Terminated, WarningEvent, seconds
from mcptasks_operator.deciding.policy import Policy

NOTABLE_SECONDS = 3.0
"""How long a Pod may be on its way before the reason is looked for and shown."""

RECHECK_SECONDS = 15.0
"""How often a Pod that does not start is looked at anew."""

LINGER_SECONDS = 120.0
"""How long a process may take to exit after its outcome was recorded, before its Job is deleted."""

STRAY_SECONDS = 5.0
"""How long the garbage collector has for the Pods of a Job that is gone, before they are deleted one by one."""

OVERDUE_SECONDS = 30.0
"""How long after its grace period a Pod may take to go away before its node is taken for lost."""

DEADLINE_SLACK_SECONDS = 60.0
"""How long the kubelet has to report a run deadline before the operator takes the node for lost."""

ANSWER_SLACK_SECONDS = 30.0
"""How long the gateway has to end a task that nobody has answered in time, before the operator does."""

EXPIRY_SLACK_SECONDS = 1.0
JOB_EXPIRY_SLACK_SECONDS = 30.0
MAX_BACKOFF_SECONDS = 360.0
"""The Job controller waits 10 s before the second attempt, then twice as long each time, at most this."""


class Need(StrEnum):
    """Something to find out before the next step can be decided."""

    FRESH = "fresh"
    TEMPLATE = "template"
    LOG = "log"
    EVENTS = "events"


class TemplateState(StrEnum):
    """What is known of the template that the task names."""

    UNKNOWN = "unknown"
    FOUND = "found"
    MISSING = "missing"


class RefusalKind(StrEnum):
    """How the API server refused to create the Job."""

    INVALID = "invalid"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The API server's answer to an attempt to create the Job."""

    kind: RefusalKind
    message: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found out besides.

    `fresh`: task, Job and Pods have just been read from the API server. `last_turn`: when a Pod from the
    same Pod template last got a node.
    """

    fresh: bool = False
    template: TemplateState = TemplateState.FOUND
    templates: tuple[str, ...] = ()
    refusal: Refusal | None = None
    log: tuple[str, ...] | None = None
    warnings: tuple[WarningEvent, ...] | None = None
    watching_since: datetime | None = None
    last_turn: datetime | None = None


# --- Steps ---


@dataclass(frozen=True, slots=True)
class Gather:
    """Find something out, then ask again."""

    need: Need


@dataclass(frozen=True, slots=True)
class CreateJob:
    """Create the Job."""


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """Delete the Job with its Pods, if it still is the one with this uid."""

    uid: str


@dataclass(frozen=True, slots=True)
class DeletePods:
    """Delete Pods that have lost their Job, by name and uid."""

    pods: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SetJobTtl:
    """Let the TTL controller remove the finished Job after so many seconds."""

    seconds: int


@dataclass(frozen=True, slots=True)
class DeleteTask:
    """Delete the task: it has expired."""


@dataclass(frozen=True, slots=True)
class End:
    """Make the phase terminal. `terminated` tells, where it is certain already, that no process is left."""

    ending: Ending
    terminated: str | None = None
    attempts: int | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Show why the task does not get on. `cause` is the stable word that tells one note from the next."""

    reason: Reason
    cause: str
    message: str
    attempts: int | None = None


@dataclass(frozen=True, slots=True)
class MarkTerminated:
    """Record that no process is left."""

    reason: str
    message: str


StatusWrite: TypeAlias = End | Note | MarkTerminated
Step: TypeAlias = Gather | CreateJob | DeleteJob | DeletePods | SetJobTtl | DeleteTask | StatusWrite


@dataclass(frozen=True, slots=True)
class Notice:
    """A Kubernetes event to post about the task."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The next step, if there is one; otherwise when to ask again (seconds) unless something happens before.

    The notice is posted once the step is done.
    """

    step: Step | None = None
    requeue_after: float | None = None
    notice: Notice | None = None


@dataclass(frozen=True, slots=True)
class _View:
    """All that a decision rests on."""

    task: McpTask
    job: JobFacts | None
    pods: tuple[PodFacts, ...]
    now: datetime
    policy: Policy
    evidence: Evidence = field(default_factory=Evidence)

    @property
    def alive(self) -> tuple[PodFacts, ...]:
        return tuple(pod for pod in self.pods if not pod.ended)

    @property
    def last_pod(self) -> PodFacts | None:
        return self.pods[-1] if self.pods else None

    @property
    def attempts(self) -> int:
        """Attempts so far: those that claimed the task, and those that were seen as Pods."""
        return max(self.task.status.attempts or 0, len(self.pods))

    def until(self, moment: datetime) -> float:
        """Seconds from now to the moment; a little more than none where it has passed."""
        return max((moment - self.now).total_seconds(), 0.05)

    def turn(self, waiting_since: datetime) -> datetime:
        """From when the start deadline counts while there is no node: others of the template may be before it."""
        return max(waiting_since, self.evidence.last_turn or waiting_since)

    def since(self, moment: datetime) -> float:
        return (self.now - moment).total_seconds()


def decide(
    task: McpTask,
    job: JobFacts | None,
    pods: Sequence[PodFacts],
    now: datetime,
    policy: Policy,
    evidence: Evidence | None = None,
) -> Decision:
    """The next step for the task.

    `job` is the Job of the task's name, or the last known state of the task's own Job with `gone_at` set. `pods` are
    those with the task's uid, gone ones included.
    """
    ordered = tuple(sorted(pods, key=lambda pod: (pod.created_at, pod.name)))
    view = _View(task, job, ordered, now, policy, evidence or Evidence())
    if task.metadata.deletion_timestamp is not None:
        return Decision()
    return _after_the_end(view) if task.terminal else _before_the_end(view)


# --- Before the end ---


def _before_the_end(view: _View) -> Decision:
    job = view.job
    if view.task.spec.cancel:
        return _end(view, Phase.CANCELLED, Diagnosis(Reason.CANCELLED_BY_SPEC, "cancelled by spec.cancel"))
    if job is None:
        return _without_job(view)
    if not job.belongs_to(view.task.uid):
        return _foreign_job(view, job)
    if job.gone_at is not None or job.deleting:
        return _deleted_job(view, job)
    if job.outcome is not None:
        return _finished_job(view, job)
    return _suspended_job(view, job) if job.suspended else _active_job(view, job)


def _without_job(view: _View) -> Decision:
    if view.task.status.job_name is not None:
        return _job_is_gone(view)
    if view.evidence.template is TemplateState.UNKNOWN:
        return Decision(Gather(Need.TEMPLATE))
    if view.evidence.template is TemplateState.MISSING:
        return _end(view, Phase.FAILED, _template_not_found(view), terminated="no process was started")
    if view.evidence.refusal is not None:
        return _refused(view, view.evidence.refusal)
    created = Notice("Normal", "JobCreated", f"created Job {view.task.name}")
    return Decision(CreateJob(), notice=created)


def _template_not_found(view: _View) -> Diagnosis:
    name, namespace = view.task.spec.template_ref.name, view.task.namespace
    there = ", ".join(view.evidence.templates) or "none"
    return Diagnosis(
        Reason.TEMPLATE_NOT_FOUND,
        f"McpTaskTemplate {name} does not exist in namespace {namespace} (there: {there})",
        "Create it, or name one that exists, and call the tool again",
    )


def _refused(view: _View, refusal: Refusal) -> Decision:
    if refusal.kind is RefusalKind.INVALID:
        cause = Diagnosis(
            Reason.INVALID_TEMPLATE,
            f"McpTaskTemplate {view.policy.template} makes no valid Job: {refusal.message}",
            "Correct the template",
        )
        return _end(view, Phase.FAILED, cause, terminated="no process was started")
    cause = diagnose.refused(refusal.message)
    since = created_at(view.task)
    deadline = view.turn(since) + seconds(view.policy.start.seconds)
    if view.now >= deadline:
        late = diagnose.start_deadline(view.policy.start, cause)
        return _end(view, Phase.FAILED, late, terminated="no process was started")
    pause = min(max(view.since(since) / 2, 1.0), RECHECK_SECONDS, view.until(deadline))
    return _note(view, cause, pause)


def _foreign_job(view: _View, job: JobFacts) -> Decision:
    owner = job.owner
    if owner is not None and owner.kind == "McpTask" and owner.name == view.task.name:
        deadline = created_at(view.task) + seconds(view.policy.start.seconds)
        if view.now < deadline:
            waits = Diagnosis(Reason.NAME_CONFLICT, "waiting until the Job of a deleted task of the same name is gone")
            return _note_if_late(view, waits, view.since(created_at(view.task)), 1.0)
    if not view.evidence.fresh:
        return Decision(Gather(Need.FRESH))
    owned = f"belongs to {owner.kind} {owner.name}" if owner else "belongs to nobody"
    cause = Diagnosis(
        Reason.NAME_CONFLICT,
        f"Job {job.name} exists already and {owned}",
        "Delete that Job, or call the tool again",
    )
    return _end(view, Phase.FAILED, cause, terminated="no process was started")


def _deleted_job(view: _View, job: JobFacts) -> Decision:
    if job.outcome is not None:
        return _finished_job(view, job)
    return _job_is_gone(view) if job.gone_at is not None else _end_by_deletion(view)


def _job_is_gone(view: _View) -> Decision:
    return _end_by_deletion(view) if view.evidence.fresh else Decision(Gather(Need.FRESH))


def _end_by_deletion(view: _View) -> Decision:
    return _end(view, Phase.CANCELLED, Diagnosis(Reason.JOB_DELETED, "cancelled because its Job was deleted"))


def _finished_job(view: _View, job: JobFacts) -> Decision:
    """The Job is over and no outcome is recorded."""
    if not view.evidence.fresh:
        return Decision(Gather(Need.FRESH))
    if view.evidence.log is None and _has_log(view.last_pod):
        return Decision(Gather(Need.LOG))
    cause = diagnose.failure(job, view.last_pod, view.policy, view.attempts)
    return _end(view, Phase.FAILED, cause, terminated="the Job has finished")


def _has_log(pod: PodFacts | None) -> bool:
    return pod is not None and pod.started and diagnose.hopeless(pod) is None


def _suspended_job(view: _View, job: JobFacts) -> Decision:
    """Kueue holds the Job back: no deadline counts."""
    where = f"queued in {job.queue}" if job.queue else "its Job is suspended"
    cause = Diagnosis(Reason.PENDING, where)
    return _note_if_late(view, cause, view.since(job.created_at), None, word="Queued")


def _active_job(view: _View, job: JobFacts) -> Decision:
    pod = view.last_pod
    if pod is None:
        return _no_pod(view, job, job.start, None)
    if pod.ended:
        return _between_attempts(view, job, pod)
    if pod.started or view.task.status.pod_uid == pod.uid:
        return _running(view, job, pod)
    return _starting(view, job, pod)


def _no_pod(view: _View, job: JobFacts, anchor: datetime, expected: datetime | None) -> Decision:
    """The Job controller has not made a Pod; `expected` is when it should at the latest."""
    if view.task.status.job_name is not None and view.evidence.watching_since is not None:
        # The Pods that claimed the task were gone before this operator looked: it counts from then on.
        anchor = max(anchor, view.evidence.watching_since)
    return _not_started(view, None, max(anchor, expected or anchor))


def _starting(view: _View, job: JobFacts, pod: PodFacts) -> Decision:
    if (cause := diagnose.hopeless(pod)) is not None:
        return _end(view, Phase.FAILED, cause)
    return _not_started(view, pod, pod.created_at if len(view.pods) > 1 else job.start)


def _not_started(view: _View, pod: PodFacts | None, anchor: datetime) -> Decision:
    """The Pod is not there, has no node or has not started on it: each of these may take the start deadline."""
    placed = pod.scheduled_at if pod is not None else None
    deadline = (placed or view.turn(anchor)) + seconds(view.policy.start.seconds)
    waited = view.since(anchor)
    if waited < NOTABLE_SECONDS and view.now < deadline:
        return Decision(requeue_after=min(NOTABLE_SECONDS - waited, view.until(deadline)))
    cause = diagnose.waiting(pod) if pod is not None else None
    if cause is None:
        if view.evidence.warnings is None:
            return Decision(Gather(Need.EVENTS))
        cause = diagnose.of_events(view.evidence.warnings)
    if view.now >= deadline:
        return _end(view, Phase.FAILED, diagnose.start_deadline(view.policy.start, cause))
    pause = min(RECHECK_SECONDS, view.until(deadline))
    return _note(view, cause, pause) if cause is not None else Decision(requeue_after=pause)


def _running(view: _View, job: JobFacts, pod: PodFacts) -> Decision:
    """The kubelet watches over the run deadline; the operator only over the kubelet."""
    if pod.deletion_due is not None and not job.retries_disruptions:
        overdue = pod.deletion_due + seconds(OVERDUE_SECONDS)
        if view.now >= overdue:
            return _end(view, Phase.FAILED, diagnose.node_lost(pod, "it does not end the Pod"))
        return Decision(requeue_after=view.until(overdue))
    if view.task.spec.input_timeout_seconds:
        return _asking(view, pod)
    return _watch_the_kubelet(view, pod)


def _asking(view: _View, pod: PodFacts) -> Decision:
    """The kubelet's deadline of a task that may ask is run time and waiting time together: run time ends here.

    The gateway ends a task that nobody answers; the operator only if no gateway does.
    """
    kubelet = _watch_the_kubelet(view, pod)
    if kubelet.step is not None:
        return kubelet
    due = answers_due(view.task)
    if due is not None:
        late = due + seconds(ANSWER_SLACK_SECONDS)
        if view.now < late:
            return _sooner(kubelet, view.until(late))
        ending = timed_out(view.task)
        return _end(view, Phase.FAILED, Diagnosis(ending.reason, ending.message))
    limit = view.policy.run
    deadline = (pod.started_at or pod.created_at) + seconds(limit.seconds) + waited(view.task, view.now)
    if view.now < deadline:
        return _sooner(kubelet, view.until(deadline))
    return _end(view, Phase.FAILED, diagnose.deadline_exceeded(limit))


def _sooner(decision: Decision, wait: float) -> Decision:
    return Decision(requeue_after=min(wait, decision.requeue_after or wait))


def _watch_the_kubelet(view: _View, pod: PodFacts) -> Decision:
    limit = pod.timeout_seconds
    if limit is None:
        return Decision()
    silent = (pod.started_at or pod.created_at) + seconds(limit + pod.grace_seconds + DEADLINE_SLACK_SECONDS)
    if view.now < silent:
        return Decision(requeue_after=view.until(silent))
    return _end(view, Phase.FAILED, diagnose.node_lost(pod, f"it has not ended the Pod at its deadline of {limit} s"))


def _between_attempts(view: _View, job: JobFacts, pod: PodFacts) -> Decision:
    if (cause := diagnose.hopeless(pod)) is not None:
        return _end(view, Phase.FAILED, cause)
    if not _comes_again(view, job, pod):
        return Decision(requeue_after=RECHECK_SECONDS)
    if _noted_retry(view):
        pause = min(10.0 * 2 ** max(len(view.pods) - 1, 0), MAX_BACKOFF_SECONDS)
        return _no_pod(view, job, pod.ended_at, pod.ended_at + seconds(pause))
    last = diagnose.failure(job, pod, view.policy, 1)
    of = f" of at most {job.backoff_limit + 1}" if job.backoff_limit else ""
    text = f"attempt {view.attempts}{of} failed ({last.reason.value}): {last.cause}; another one follows"
    return Decision(Note(Reason.RETRYING, Reason.RETRYING.value, text, attempts=view.attempts))


def _comes_again(view: _View, job: JobFacts, pod: PodFacts) -> bool:
    """Whether the Job controller makes another Pod after this one."""
    if job.reason or pod.phase == "Succeeded":
        return False
    if pod.disruption is not None:
        return job.retries_disruptions
    state = pod.runner.state
    if isinstance(state, Terminated) and state.exit_code == RunnerExitCode.FAILURE_RECORDED:
        return False
    return sum(1 for p in view.pods if p.disruption is None) <= job.backoff_limit


def _noted_retry(view: _View) -> bool:
    """Whether the end of the last attempt has been shown, or what keeps the next one from starting since."""
    status = view.task.status
    shown = status.condition(SCHEDULED)
    return shown is not None and shown.status == "False" and (status.attempts or 0) >= view.attempts


# --- After the end ---


def _after_the_end(view: _View) -> Decision:
    job = view.job if view.job is not None and view.job.belongs_to(view.task.uid) else None
    there = job if job is not None and job.gone_at is None else None
    due = _due(view, job)
    if view.now >= due:
        return Decision(DeleteTask())
    if there is None or there.deleting:
        decision = _without_process(view, job)
    elif there.outcome is None:
        decision = _stop(view, there)
    else:
        decision = _keep(view, there)
    if decision.step is None:
        wait = view.until(due)
        return Decision(requeue_after=min(wait, decision.requeue_after or wait))
    return decision


def _expires_at(view: _View) -> datetime:
    status, task = view.task.status, view.task
    finished = status.finished_at or created_at(task)
    return status.expires_at or expiry(task, finished, view.policy.retention(task.phase))


def _due(view: _View, job: JobFacts | None) -> datetime:
    """When the task is deleted: with its Job, whose TTL runs out at the expiry; soon after the expiry without one."""
    expires = _expires_at(view)
    if job is None:
        return expires + seconds(EXPIRY_SLACK_SECONDS)
    return expires if job.gone_at is not None else expires + seconds(JOB_EXPIRY_SLACK_SECONDS)


def _finished_at(view: _View) -> datetime:
    return view.task.status.finished_at or created_at(view.task)


_OUT_OF_TIME = (Reason.DEADLINE_EXCEEDED, Reason.INPUT_TIMEOUT)
"""Ends that the process has no part in, and that it may not outlive."""


def _stop(view: _View, job: JobFacts) -> Decision:
    """The task has ended and its Job has not: at once where the process must end, else after a while."""
    runs = view.task.status.started_at is not None or any(isinstance(p.runner.state, Running) for p in view.alive)
    linger = _finished_at(view) + seconds(LINGER_SECONDS)
    if view.task.phase is Phase.CANCELLED or view.task.status.reason in _OUT_OF_TIME or not runs or view.now >= linger:
        return Decision(DeleteJob(job.uid))
    return Decision(requeue_after=view.until(linger))


def _keep(view: _View, job: JobFacts) -> Decision:
    """The Job has finished: keep it, and its Pod's log, for as long as the task is kept. After a cancel it goes."""
    if not _marked(view):
        return _mark(view, "JobFinished")
    if view.task.phase is Phase.CANCELLED:
        return Decision(DeleteJob(job.uid))
    if job.ttl_seconds is not None:
        return Decision()
    left = (_expires_at(view) - (job.finished_at or view.now)).total_seconds()
    return Decision(SetJobTtl(max(0, -int(-left // 1))))


def _without_process(view: _View, job: JobFacts | None) -> Decision:
    """The Job is gone, or on its way; its Pods may still have to go."""
    if view.alive:
        return _wait_for_pods(view, job)
    if _marked(view):
        return Decision()
    if not view.evidence.fresh:
        return Decision(Gather(Need.FRESH))
    return _mark(view, "PodsGone")


def _wait_for_pods(view: _View, job: JobFacts | None) -> Decision:
    gone_at = job.gone_at if job is not None else None
    if job is not None and gone_at is None:
        return Decision(requeue_after=RECHECK_SECONDS)
    stray = max(_finished_at(view), gone_at or _finished_at(view)) + seconds(STRAY_SECONDS)
    strays = tuple((pod.name, pod.uid) for pod in view.alive if not pod.deleting)
    if strays and view.now >= stray:
        return Decision(DeletePods(strays))
    return Decision(requeue_after=view.until(stray) if strays else RECHECK_SECONDS)


def _marked(view: _View) -> bool:
    condition = view.task.status.condition(PODS_TERMINATED)
    return condition is not None and condition.status == "True"


def _mark(view: _View, reason: str) -> Decision:
    took = max(view.since(_finished_at(view)), 0.0)
    after = "cancel" if view.task.phase is Phase.CANCELLED else "end"
    text = f"terminated {took:.1f} s after the {after}" if view.pods or view.job else "no process was started"
    return Decision(MarkTerminated(reason, text), notice=_end_notice(view, text))


def _end_notice(view: _View, terminated: str) -> Notice:
    status, phase = view.task.status, view.task.phase
    if phase is Phase.FAILED:
        return Notice("Warning", status.reason or "Failed", status.message or "the task failed")
    if phase is Phase.CANCELLED:
        return Notice("Normal", "Cancelled", f"{status.message or 'cancelled'}; {terminated}")
    took = (_finished_at(view) - created_at(view.task)).total_seconds()
    return Notice("Normal", "Completed", f"completed after {took:.1f} s")


# --- Parts of decisions ---


def _end(view: _View, phase: Phase, cause: Diagnosis, terminated: str | None = None) -> Decision:
    text = diagnose.message(cause, view.evidence.log)
    ending = Ending(phase=phase, reason=cause.reason, message=text, exit_code=cause.exit_code)
    notice = Notice("Warning", cause.reason.value, text) if phase is Phase.FAILED else None
    attempts = view.attempts if view.attempts > (view.task.status.attempts or 0) else None
    return Decision(End(ending, terminated, attempts), notice=notice)


def _note(view: _View, cause: Diagnosis, pause: float | None, word: str | None = None) -> Decision:
    """Show the cause, once; then wait."""
    name = word or cause.reason.value
    shown = view.task.status.condition(SCHEDULED)
    if shown is not None and shown.status == "False" and shown.reason == name:
        return Decision(requeue_after=pause)
    return Decision(Note(Reason.PENDING, name, diagnose.message(cause)))


def _note_if_late(
    view: _View, cause: Diagnosis, waited: float, pause: float | None, word: str | None = None
) -> Decision:
    if waited < NOTABLE_SECONDS:
        return Decision(requeue_after=min(NOTABLE_SECONDS - waited, pause or NOTABLE_SECONDS))
    return _note(view, cause, pause, word)
