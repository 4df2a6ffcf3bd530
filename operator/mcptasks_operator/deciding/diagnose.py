"""Why a Pod failed or does not start, in one stable reason and a message that a person or a model can act on.

Pure: facts in, diagnosis out. The reasons and conditions of Pods are those of the Kubernetes documentation ("Pod
Lifecycle", "Disruptions") and of the kubelet's and scheduler's sources.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mcptasks.gateway.contract import RunnerExitCode
from mcptasks.model.task import Reason
from mcptasks_operator.deciding.facts import (
    ContainerFacts,
    JobFacts,
    JobOutcome,
    PodFacts,
    Terminated,
    Waiting,
    WarningEvent,
)
from mcptasks_operator.deciding.policy import Limit, Policy

SIGNAL_OFFSET = 128

MAX_LOG_CHARACTERS = 8_000
MAX_LOG_LINE = 1_000
MAX_CAUSE = 2_000


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What went wrong and what can be done about it."""

    reason: Reason
    cause: str
    hint: str = ""
    exit_code: int | None = None


def message(diagnosis: Diagnosis, log: Sequence[str] | None = None) -> str:
    """Cause, hint and the last lines of the log. The lines are as the process wrote them, only cut where too long."""
    text = diagnosis.cause[:MAX_CAUSE]
    if diagnosis.hint:
        text += f". {diagnosis.hint}"
    tail = "\n".join(line[:MAX_LOG_LINE] for line in log or ())
    return f"{text}\nLast log lines:\n{tail[-MAX_LOG_CHARACTERS:]}" if tail.strip() else text


# --- Pods that have failed ---


def failure(job: JobFacts, pod: PodFacts | None, policy: Policy, attempts: int) -> Diagnosis:
    """Why the finished Job has no outcome; `pod` is its last attempt, where it is still known."""
    if pod is None:
        return _without_pod(job, policy)
    found = (
        disruption(pod)
        or _by_pod_status(pod, _run_limit(job, pod, policy))
        or _by_containers(pod, policy)
        or _by_outcome(job)
    )
    return replace(found, cause=f"{found.cause}{_after(attempts)}")


def _after(attempts: int) -> str:
    return f" (attempt {attempts}, the last one)" if attempts > 1 else ""


def _run_limit(job: JobFacts, pod: PodFacts, policy: Policy) -> Limit:
    """The limit that the Pod really had: template and settings may have changed since."""
    actual = pod.timeout_seconds or job.timeout_seconds
    return Limit(actual, policy.run.source) if actual and actual != policy.run.seconds else policy.run


_DISRUPTIONS = {
    "PreemptionByScheduler": (Reason.EVICTED, "was preempted by a Pod of higher priority"),
    "DeletionByTaintManager": (Reason.NODE_LOST, "was removed because its node became unusable"),
    "DeletionByPodGC": (Reason.NODE_LOST, "was removed because its node is gone"),
    "EvictionByEvictionAPI": (Reason.EVICTED, "was evicted, as when a node is drained"),
    "TerminationByKubelet": (Reason.EVICTED, "was ended by its node (resource pressure or shutdown)"),
}

_RETRY_HINT = (
    "The tool did nothing wrong: call it again; tools marked idempotent are run again without asking, "
    "unless their template's disruptionPolicy is Fail"
)


def disruption(pod: PodFacts) -> Diagnosis | None:
    """What took the Pod away, if the cluster did."""
    if pod.disruption is None:
        return None
    reason, what = _DISRUPTIONS.get(pod.disruption.reason, (Reason.EVICTED, "was taken away by the cluster"))
    return Diagnosis(reason, f"Pod {pod.name} {what}{_on(pod)}: {_detail(pod)}", _RETRY_HINT)


def _detail(pod: PodFacts) -> str:
    told = (pod.disruption.message or pod.disruption.reason) if pod.disruption else ""
    return pod.message or told or "no details"


def _on(pod: PodFacts) -> str:
    return f" (node {pod.node})" if pod.node else ""


def deadline_exceeded(limit: Limit) -> Diagnosis:
    """The attempt ran for too long."""
    return Diagnosis(
        Reason.DEADLINE_EXCEEDED,
        f"the process was killed because it ran longer than {limit.seconds} s, counted from its Pod's start, "
        f"image pull included ({limit.source})",
        "Ask for less work at a time or allow more time",
    )


def node_lost(pod: PodFacts, detail: str) -> Diagnosis:
    """The Pod's node does not answer any more."""
    return Diagnosis(Reason.NODE_LOST, f"node {pod.node or 'unknown'} of Pod {pod.name} is lost: {detail}", _RETRY_HINT)


_NODE_REASONS = {
    "Evicted": (Reason.EVICTED, "was evicted by its node"),
    "Terminated": (Reason.EVICTED, "was ended because its node shuts down"),
    "Shutdown": (Reason.EVICTED, "was ended because its node shuts down"),
    "NodeShutdown": (Reason.EVICTED, "was ended because its node shuts down"),
    "Preempting": (Reason.EVICTED, "had to make room for a Pod of higher priority"),
    "NodeLost": (Reason.NODE_LOST, "was lost with its node"),
}

_ADMISSION_REASONS = frozenset(
    {"UnexpectedAdmissionError", "NodeAffinity", "NodePorts", "AppArmor", "PodOSNotSupported"}
)


def _by_pod_status(pod: PodFacts, limit: Limit) -> Diagnosis | None:
    if pod.reason == "DeadlineExceeded":
        return _gave_up_on_the_gateway(pod) or deadline_exceeded(limit)
    if pod.reason in _NODE_REASONS:
        reason, what = _NODE_REASONS[pod.reason]
        return Diagnosis(reason, f"Pod {pod.name} {what}{_on(pod)}: {pod.message or pod.reason}", _RETRY_HINT)
    if pod.reason in _ADMISSION_REASONS or pod.reason.startswith("OutOf"):
        return Diagnosis(
            Reason.POD_REJECTED,
            f"node {pod.node or 'unknown'} refused Pod {pod.name}: {pod.message or pod.reason}",
            "Call the tool again; if it happens again, the template asks for what the node cannot give",
        )
    return None


def _gave_up_on_the_gateway(pod: PodFacts) -> Diagnosis | None:
    state = pod.runner.state
    gave_up = isinstance(state, Terminated) and state.exit_code == RunnerExitCode.GATEWAY_UNREACHABLE
    return _gateway_unreachable() if gave_up else None


_CANNOT_RUN = frozenset({"StartError", "ContainerCannotRun", "RunContainerError"})


def _by_containers(pod: PodFacts, policy: Policy) -> Diagnosis | None:
    state = pod.runner.state
    if isinstance(state, Terminated) and (state.exit_code != 0 or state.reason in _CANNOT_RUN):
        return _by_end(pod, pod.runner, state, policy)
    other = _other_culprit(pod)
    if other is not None and isinstance(other.state, Terminated):
        found = _by_end(pod, other, other.state, policy)
        return replace(found, cause=f"{_kind(other)} {other.name}: {found.cause}")
    return _exit_code(state) if isinstance(state, Terminated) else None


def _other_culprit(pod: PodFacts) -> ContainerFacts | None:
    """The container beside the runner that made the Pod fail. Sidecars that are ended with a good Pod are none."""
    if pod.phase != "Failed":
        return None
    return next((c for c in pod.others if isinstance(c.state, Terminated) and c.state.exit_code != 0), None)


def _kind(container: ContainerFacts) -> str:
    return "init container" if container.init else "container"


def _by_end(pod: PodFacts, container: ContainerFacts, state: Terminated, policy: Policy) -> Diagnosis:
    if state.reason == "OOMKilled":
        return _out_of_memory(container, state, policy)
    if state.reason in _CANNOT_RUN:
        return _cannot_run(container, state.message or state.reason, state.exit_code)
    if state.reason == "ContainerStatusUnknown":
        return node_lost(pod, state.message or "the kubelet could not find the container any more")
    return _signal(pod, state) or _exit_code(state)


def _out_of_memory(container: ContainerFacts, state: Terminated, policy: Policy) -> Diagnosis:
    limit = f" of {container.memory_limit}" if container.memory_limit else ""
    return Diagnosis(
        Reason.OOM_KILLED,
        f"the process was killed because it used more memory than its limit{limit}",
        f"Ask for less data at a time, or raise resources.limits.memory in McpTaskTemplate {policy.template}",
        state.exit_code,
    )


def _cannot_run(container: ContainerFacts, detail: str, exit_code: int | None = None) -> Diagnosis:
    return Diagnosis(
        Reason.CONTAINER_CANNOT_RUN,
        f"container {container.name} cannot be started: {detail}",
        "Check the command and the image of the task's McpTaskTemplate",
        exit_code,
    )


def _signal(pod: PodFacts, state: Terminated) -> Diagnosis | None:
    number = state.signal or (state.exit_code - SIGNAL_OFFSET if state.exit_code > SIGNAL_OFFSET else 0)
    try:
        name = signal.Signals(number).name
    except ValueError:
        return None
    outside = "; its Pod was deleted" if pod.deleting else ""
    return Diagnosis(Reason.KILLED_BY_SIGNAL, f"the process was ended by {name}{outside}", exit_code=state.exit_code)


def _exit_code(state: Terminated) -> Diagnosis:
    code = state.exit_code
    if code == RunnerExitCode.OUTCOME_RECORDED:
        return Diagnosis(
            Reason.RESULT_MISSING,
            "the process ended with exit code 0 but delivered no result",
            "A tool must return its result; it must not end the process itself (sys.exit, os._exit)",
            code,
        )
    if code == RunnerExitCode.GATEWAY_UNREACHABLE:
        return _gateway_unreachable()
    return Diagnosis(
        Reason.EXIT_CODE, f"the process ended with exit code {code} and delivered no result", exit_code=code
    )


def _gateway_unreachable() -> Diagnosis:
    code = RunnerExitCode.GATEWAY_UNREACHABLE.value
    return Diagnosis(
        Reason.GATEWAY_UNREACHABLE,
        f"the process could not reach the server's gateway for as long as it was allowed to run (exit code {code})",
        "Check that the server is there, MCPTASKS_GATEWAY_URL of the operator, and that Pods may connect to it",
        code,
    )


def _by_outcome(job: JobFacts) -> Diagnosis:
    detail = f"{job.reason}: {job.message}" if job.message else job.reason or "no details"
    return Diagnosis(Reason.RESULT_MISSING, f"the Job ended as {job.outcome or 'unknown'} without a result ({detail})")


def _without_pod(job: JobFacts, policy: Policy) -> Diagnosis:
    """The Job's own words must do: its Pods are gone."""
    if job.reason == "DeadlineExceeded":
        return deadline_exceeded(policy.run)
    if "DisruptionTarget" in job.message:
        return Diagnosis(Reason.EVICTED, f"the Pod was taken away by the cluster: {job.message}", _RETRY_HINT)
    found = _by_outcome(job)
    if job.outcome is JobOutcome.FAILED:
        return replace(found, cause=f"{found.cause}; its Pods are gone, so that nothing more is known")
    return found


# --- Pods that do not start ---


_IMAGE = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError"}
    | {"RegistryUnavailable", "SignatureValidationFailed"}
)
_HOPELESS = frozenset({"ErrImageNeverPull", "InvalidImageName", "RunContainerError", "StartError"})
_CONFIG = frozenset({"CreateContainerConfigError"})
_CREATE = frozenset({"CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun"})


def hopeless(pod: PodFacts) -> Diagnosis | None:
    """Why the Pod can never start, however long one waits."""
    for container in (pod.runner, *pod.others):
        state = container.state
        if isinstance(state, Waiting) and state.reason in _HOPELESS:
            return _of_waiting(container, state)
        if isinstance(state, Terminated) and state.reason in _CANNOT_RUN:
            return _cannot_run(container, state.message or state.reason, state.exit_code)
    return None


def waiting(pod: PodFacts) -> Diagnosis | None:
    """What the Pod waits for, where its status tells."""
    if pod.unschedulable is not None:
        return Diagnosis(
            Reason.UNSCHEDULABLE,
            f"no node can take Pod {pod.name}: {pod.unschedulable}",
            "Lower the resources that the template asks for, or add a node that has them",
        )
    for container in (*pod.others, pod.runner):
        if isinstance(container.state, Waiting) and (found := _of_waiting(container, container.state)):
            return found
    return None


def _of_waiting(container: ContainerFacts, state: Waiting) -> Diagnosis | None:
    if state.reason in _IMAGE:
        return Diagnosis(
            Reason.IMAGE_PULL_BACK_OFF,
            f"image {container.image} cannot be pulled ({state.reason}): {state.message or 'no details'}",
            "Check the image's name and the pull secret of the template",
        )
    if state.reason in _CONFIG:
        return Diagnosis(
            Reason.CONTAINER_CONFIG_ERROR,
            f"container {container.name} cannot be configured: {state.message or state.reason}",
            "Create what the template refers to (Secret, ConfigMap), or correct the template",
        )
    if state.reason in _CREATE:
        return _cannot_run(container, state.message or state.reason)
    return None


_VOLUME_EVENTS = frozenset({"FailedMount", "FailedAttachVolume", "FailedMapVolume"})


def of_events(warnings: Iterable[WarningEvent]) -> Diagnosis | None:
    """What the latest telling event of the Job or its Pod says."""
    return next(filter(None, (_of_event(warning) for warning in warnings)), None)


def _of_event(warning: WarningEvent) -> Diagnosis | None:
    if warning.reason == "FailedCreate":
        return refused(warning.message)
    if warning.reason in _VOLUME_EVENTS:
        return Diagnosis(
            Reason.VOLUME_MOUNT_FAILED,
            f"a volume cannot be mounted: {warning.message}",
            "Create what the template's volumes refer to, or correct the template",
        )
    if warning.reason == "FailedScheduling":
        return Diagnosis(Reason.UNSCHEDULABLE, f"no node can take the Pod: {warning.message}")
    if warning.reason == "FailedCreatePodSandBox":
        return Diagnosis(Reason.CONTAINER_CANNOT_RUN, f"the node cannot set up the Pod: {warning.message}")
    return None


def refused(detail: str) -> Diagnosis:
    """The API server refuses the Job or its Pod."""
    if "exceeded quota" in detail or "must specify" in detail:
        return Diagnosis(
            Reason.QUOTA_EXCEEDED,
            f"the namespace's quota does not allow it: {detail}",
            "Wait for other tasks to end, or raise the ResourceQuota",
        )
    return Diagnosis(
        Reason.POD_REJECTED,
        f"the cluster refuses the Pod: {detail}",
        "Correct the template, or the policy that refuses it",
    )


def start_deadline(limit: Limit, cause: Diagnosis | None) -> Diagnosis:
    """The Pod did not start in time, for the cause if there is a known one."""
    spent = f"not started within {limit.seconds} s ({limit.source})"
    if cause is None:
        return Diagnosis(
            Reason.START_DEADLINE_EXCEEDED,
            f"{spent}, for a reason that neither the Pod nor its events tell",
            "Look at the cluster (kubectl get events), or allow more time if images are large",
        )
    return replace(cause, cause=f"{spent}: {cause.cause}")
