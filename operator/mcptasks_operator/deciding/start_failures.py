"""Why a Pod does not start: what its status, its events or the API server's refusal tell.

The reasons of waiting containers are those of the kubelet's sources, the reasons of events those of the kubelet, the
scheduler and the Job controller.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from mcptasks.model.diagnosis import Diagnosis
from mcptasks.model.process_failures import Limit
from mcptasks.model.task import Reason
from mcptasks_operator.deciding.object_facts import (
    ContainerFacts,
    PodFacts,
    TerminatedState,
    WaitingState,
    WarningEvent,
)
from mcptasks_operator.deciding.quota_refusals import quota_refusal

CANNOT_RUN = frozenset({"StartError", "ContainerCannotRun", "RunContainerError"})
_IMAGE_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError"}
    | {"RegistryUnavailable", "SignatureValidationFailed"}
)
_PERMANENT = frozenset({"ErrImageNeverPull", "InvalidImageName", "RunContainerError", "StartError"})
_CONFIG_REASONS = frozenset({"CreateContainerConfigError"})
_CREATE_REASONS = frozenset({"CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun"})
_VOLUME_EVENTS = frozenset({"FailedMount", "FailedAttachVolume", "FailedMapVolume"})


_LACK_OF_RESOURCES = "Lower the resources that the template asks for, or add a node that has them"
_UNSCHEDULABLE = (
    (r"Insufficient ", _LACK_OF_RESOURCES),
    (r"Too many pods", "Wait for other Pods to end, or add a node"),
    (r" taint", "Give the template a toleration of the taint, or add a node without it"),
    (r"node affinity/selector", "Correct the template's nodeSelector or affinity, or label a node so that it matches"),
    (
        r"persistentvolumeclaim \"|unbound immediate PersistentVolumeClaim|persistent volumes to bind",
        "Create the PersistentVolumeClaim that the template's volumes refer to, or the volume that it waits for",
    ),
    (
        r"volume node affinity",
        "Correct the template's volumes or nodeSelector, so that the task runs where its volume is",
    ),
    (r"free ports", "Leave hostPort out of the template, or wait until the port is free"),
    (r"topology spread", "Correct the template's topologySpreadConstraints, or add a node where they allow one"),
    (r"affinity rules", "Correct the template's affinity to other Pods, or add a node that it allows"),
    (r"were unschedulable", "Let the nodes take Pods again (kubectl uncordon), or add one"),
    (r"no nodes available", "Add a node"),
)
"""Words of the scheduler's plugins, each with what helps. Those of a message are true at once, of different nodes."""

MAX_HINTS = 3

_IMAGES = (
    (r"ErrImageNeverPull", "Load the image into the nodes, or set the template's imagePullPolicy to IfNotPresent"),
    (r"InvalidImageName", "Correct the image's name in the template"),
    (r"SignatureValidationFailed", "Sign the image, or correct the policy of the nodes"),
    (
        r"toomanyrequests|rate limit|429 Too Many",
        "The registry limits pulls: wait, pull as a user of it, or pull from a mirror",
    ),
    (
        r"no match for platform|no matching manifest",
        "Build the image for the nodes' architecture, or choose other nodes",
    ),
    (r"no space left", "Make room on the node's disk, or use a smaller image"),
    (
        r"no such host|dial tcp|i/o timeout|TLS handshake|connection re(fused|set)|x509|server gave HTTP response",
        "See to it that the nodes reach the registry, and know its certificate",
    ),
)
"""Words of the kubelet, of container runtimes and of registries, each with what helps."""


def image_hint(message: str) -> str:
    """What helps where an image cannot be pulled, by the kubelet's reason and message.

    Registries say of an image that is not there, and of one that may not be read, much the same.
    """
    found = (hint for words, hint in _IMAGES if re.search(words, message))
    return next(found, "Check the image's name and the pull secret of the template")


def unschedulable_hint(message: str) -> str:
    """What helps a Pod that no node can take, by the scheduler's message."""
    # What comes after it is about the eviction of other Pods.
    nodes, _, _ = message.partition(" preemption:")
    first, *others = [hint for words, hint in _UNSCHEDULABLE if re.search(words, nodes)] or [_LACK_OF_RESOURCES]
    return first + "".join(f". Or {hint[0].lower()}{hint[1:]}" for hint in others[: MAX_HINTS - 1])


def permanent_start_failure(pod: PodFacts) -> Diagnosis | None:
    """Why the Pod can never start, however long one waits."""
    for container in (pod.runner, *pod.others):
        state = container.state
        if isinstance(state, WaitingState) and state.reason in _PERMANENT:
            return _of_waiting(container, state)
        if isinstance(state, TerminatedState) and state.reason in CANNOT_RUN:
            return container_cannot_run(container, state.message or state.reason, state.exit_code)
    return None


def diagnose_waiting(pod: PodFacts) -> Diagnosis | None:
    """What the Pod waits for, if its status tells."""
    if pod.unschedulable is not None:
        return Diagnosis(
            Reason.UNSCHEDULABLE,
            f"no node can take Pod {pod.name}: {pod.unschedulable}",
            unschedulable_hint(pod.unschedulable),
        )
    for container in (*pod.others, pod.runner):
        if isinstance(container.state, WaitingState) and (found := _of_waiting(container, container.state)):
            return found
    return None


def _of_waiting(container: ContainerFacts, state: WaitingState) -> Diagnosis | None:
    if state.reason in _IMAGE_REASONS:
        return Diagnosis(
            Reason.IMAGE_PULL_BACK_OFF,
            f"image {container.image} cannot be pulled ({state.reason}): {state.message or 'no details'}",
            image_hint(f"{state.reason}: {state.message}"),
        )
    if state.reason in _CONFIG_REASONS:
        return Diagnosis(
            Reason.CONTAINER_CONFIG_ERROR,
            f"container {container.name} cannot be configured: {state.message or state.reason}",
            "Create what the template refers to (Secret, ConfigMap), or correct the template",
        )
    if state.reason in _CREATE_REASONS:
        return container_cannot_run(container, state.message or state.reason)
    return None


def container_cannot_run(container: ContainerFacts, detail: str, exit_code: int | None = None) -> Diagnosis:
    return Diagnosis(
        Reason.CONTAINER_CANNOT_RUN,
        f"container {container.name} cannot be started: {detail}",
        "Check the command and the image of the task's McpTaskTemplate",
        exit_code,
    )


def diagnose_events(warnings: Iterable[WarningEvent]) -> Diagnosis | None:
    """What the latest telling event of the Job or its Pod says."""
    return next(filter(None, (_of_event(warning) for warning in warnings)), None)


def _of_event(warning: WarningEvent) -> Diagnosis | None:
    if warning.reason == "FailedCreate":
        return pod_refused(warning.message)
    if warning.reason in _VOLUME_EVENTS:
        return Diagnosis(
            Reason.VOLUME_MOUNT_FAILED,
            f"a volume cannot be mounted: {warning.message}",
            "Create what the template's volumes refer to, or correct the template",
        )
    if warning.reason == "FailedScheduling":
        hint = unschedulable_hint(warning.message)
        return Diagnosis(Reason.UNSCHEDULABLE, f"no node can take the Pod: {warning.message}", hint)
    if warning.reason == "FailedCreatePodSandBox":
        return Diagnosis(Reason.CONTAINER_CANNOT_RUN, f"the node cannot set up the Pod: {warning.message}")
    return None


def permanent_refusal(warnings: Iterable[WarningEvent], since: datetime) -> Diagnosis | None:
    """Why the cluster will never let the Job make a Pod, if it has said so since then."""
    refused = (pod_refused(w.message) for w in warnings if w.reason == "FailedCreate" and w.last_seen >= since)
    latest = next(refused, None)
    return latest if latest is not None and latest.permanent else None


def node_on_its_way(pod: PodFacts, event: WarningEvent) -> Diagnosis:
    """No node can take the Pod, and one is being added for it."""
    return Diagnosis(
        Reason.UNSCHEDULABLE,
        f"a node is being added for Pod {pod.name} ({event.reason}: {event.message}); until then no node can take it: "
        f"{pod.unschedulable}",
        "Wait: the start deadline counts anew from when the node was asked for",
    )


def pod_refused(detail: str) -> Diagnosis:
    """The API server refuses the Job or its Pod."""
    return quota_refusal(detail) or Diagnosis(
        Reason.POD_REJECTED,
        f"the cluster refuses the Pod: {detail}",
        "Correct the template, or the policy that refuses it",
    )


def start_deadline_exceeded(limit: Limit, cause: Diagnosis | None) -> Diagnosis:
    """The Pod did not start in time, for the cause if there is a known one."""
    spent = f"not started within {limit.seconds} s ({limit.source})"
    if cause is None:
        return Diagnosis(
            Reason.START_DEADLINE_EXCEEDED,
            f"{spent}, for a reason that neither the Pod nor its events tell",
            "Look at the cluster (kubectl get events), or allow more time if images are large",
        )
    return replace(cause, cause=f"{spent}: {cause.cause}")
