"""Why a Pod failed, from the facts of the Pod and its Job.

The reasons and conditions of Pods are those of the Kubernetes documentation ("Pod Lifecycle", "Disruptions") and of the
kubelet's sources.
"""

from __future__ import annotations

from dataclasses import replace

from mcptasks.gateway.contract import RunnerExitCode
from mcptasks.model import process_failures
from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.process_failures import RETRY_HINT, Limit, attempt_suffix, node_suffix
from mcptasks.model.task import Reason
from mcptasks_operator.deciding.object_facts import ContainerFacts, JobFacts, JobOutcome, PodFacts, TerminatedState
from mcptasks_operator.deciding.policy import Policy
from mcptasks_operator.deciding.start_failures import CANNOT_RUN, container_cannot_run

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


def diagnose_failure(job: JobFacts, pod: PodFacts | None, policy: Policy, attempts: int) -> Diagnosis:
    """Why the finished Job has no outcome; `pod` is its last attempt, if it is still known."""
    if pod is None:
        return _without_pod(job, policy)
    found = (
        _disruption(pod)
        or _by_pod_status(pod, _run_limit(job, pod, policy))
        or _by_containers(pod, policy)
        or _by_outcome(job)
    )
    return replace(found, cause=f"{found.cause}{attempt_suffix(attempts)}")


def _run_limit(job: JobFacts, pod: PodFacts, policy: Policy) -> Limit:
    """The limit that the Pod really had: template and settings may have changed since."""
    actual = pod.timeout_seconds or job.timeout_seconds
    return Limit(actual, policy.run.source) if actual and actual != policy.run.seconds else policy.run


def _disruption(pod: PodFacts) -> Diagnosis | None:
    """What took the Pod away, if the cluster did."""
    if pod.disruption is None:
        return None
    return process_failures.disrupted(pod.name, pod.disruption.reason, pod.node, _detail(pod))


def _detail(pod: PodFacts) -> str:
    told = (pod.disruption.message or pod.disruption.reason) if pod.disruption else ""
    return pod.message or told or "no details"


def deadline_exceeded(limit: Limit) -> Diagnosis:
    """The attempt ran for too long."""
    return process_failures.deadline_exceeded(limit, "its Pod's start, image pull included")


def diagnose_worker(pod: PodFacts, policy: Policy, attempts: int) -> Diagnosis:
    """Why a worker's Pod has ended, which had a task."""
    found = _disruption(pod) or _by_pod_status(pod, policy.run) or _by_containers(pod, policy) or _without_reason(pod)
    return replace(found, cause=f"{found.cause}{attempt_suffix(attempts)}")


def _without_reason(pod: PodFacts) -> Diagnosis:
    return Diagnosis(Reason.RESULT_MISSING, f"Pod {pod.name} ended as {pod.phase} and delivered no result")


def preempted(job: JobFacts | None, pod_name: str | None, exit_code: int | None = None) -> Diagnosis:
    """The Pod that ran the tool was taken away, and no condition of it says why."""
    suspended = job is not None and job.suspended
    queue = f" (queue {job.queue})" if job is not None and job.queue and suspended else ""
    how = ", because its Job was suspended" if suspended else ": it was deleted, or its Job was suspended"
    return process_failures.taken_away(pod_name, f"{how}{queue}", exit_code)


def node_lost(pod: PodFacts, detail: str) -> Diagnosis:
    """The Pod's node does not answer any more."""
    return Diagnosis(Reason.NODE_LOST, f"node {pod.node or 'unknown'} of Pod {pod.name} is lost: {detail}", RETRY_HINT)


def _by_pod_status(pod: PodFacts, limit: Limit) -> Diagnosis | None:
    if pod.reason == "DeadlineExceeded":
        return _gave_up_on_the_gateway(pod) or deadline_exceeded(limit)
    if pod.reason in _NODE_REASONS:
        reason, what = _NODE_REASONS[pod.reason]
        return Diagnosis(
            reason, f"Pod {pod.name} {what}{node_suffix(pod.node)}: {pod.message or pod.reason}", RETRY_HINT
        )
    if pod.reason in _ADMISSION_REASONS or pod.reason.startswith("OutOf"):
        return Diagnosis(
            Reason.POD_REJECTED,
            f"node {pod.node or 'unknown'} refused Pod {pod.name}: {pod.message or pod.reason}",
            "Call the tool again; if it happens again, the template asks for what the node cannot give",
        )
    return None


def _gave_up_on_the_gateway(pod: PodFacts) -> Diagnosis | None:
    state = pod.runner.state
    gave_up = isinstance(state, TerminatedState) and state.exit_code == RunnerExitCode.GATEWAY_UNREACHABLE
    return _gateway_unreachable() if gave_up else None


def _by_containers(pod: PodFacts, policy: Policy) -> Diagnosis | None:
    state = pod.runner.state
    if isinstance(state, TerminatedState) and (state.exit_code != 0 or state.reason in CANNOT_RUN):
        return _by_termination(pod, pod.runner, state, policy)
    other = _other_failed_container(pod)
    if other is not None and isinstance(other.state, TerminatedState):
        found = _by_termination(pod, other, other.state, policy)
        return replace(found, cause=f"{_container_kind(other)} {other.name}: {found.cause}")
    return _exit_code(state) if isinstance(state, TerminatedState) else None


def _other_failed_container(pod: PodFacts) -> ContainerFacts | None:
    """The container beside the runner that made the Pod fail; none if the Pod succeeded, however its sidecars ended."""
    if pod.phase != "Failed":
        return None
    return next((c for c in pod.others if isinstance(c.state, TerminatedState) and c.state.exit_code != 0), None)


def _container_kind(container: ContainerFacts) -> str:
    return "init container" if container.init else "container"


def _by_termination(pod: PodFacts, container: ContainerFacts, state: TerminatedState, policy: Policy) -> Diagnosis:
    if state.reason == "OOMKilled":
        return process_failures.out_of_memory(container.memory_limit, policy.template, state.exit_code)
    if state.reason in CANNOT_RUN:
        return container_cannot_run(container, state.message or state.reason, state.exit_code)
    if state.reason == "ContainerStatusUnknown":
        return node_lost(pod, state.message or "the kubelet could not find the container any more")
    return _signal(pod, state) or _exit_code(state)


def _signal(pod: PodFacts, state: TerminatedState) -> Diagnosis | None:
    number = state.signal or process_failures.signal_of(state.exit_code)
    return process_failures.ended_by_signal(number, state.exit_code, deleted=pod.deleting)


def _exit_code(state: TerminatedState) -> Diagnosis:
    if state.exit_code == RunnerExitCode.GATEWAY_UNREACHABLE:
        return _gateway_unreachable()
    return process_failures.exited(state.exit_code)


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
        return Diagnosis(Reason.EVICTED, f"the Pod was taken away by the cluster: {job.message}", RETRY_HINT)
    found = _by_outcome(job)
    if job.outcome is JobOutcome.FAILED:
        return replace(found, cause=f"{found.cause}; its Pods are gone, so that nothing more is known")
    return found
