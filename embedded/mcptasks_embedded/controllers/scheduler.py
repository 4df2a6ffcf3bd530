"""Binds Pods to the node when it has room, and says why when it has not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from mcptasks_embedded.controllers.controller import Controller
from mcptasks_embedded.kinds.pod_amounts import amounts_of
from mcptasks_embedded.objects.event_recorder import EventRecorder
from mcptasks_embedded.objects.operations import Objects
from mcptasks_embedded.objects.options import DeleteOptions, Patch
from mcptasks_embedded.objects.selectors import label_selector_matches
from mcptasks_embedded.store.changes import Change, StoreEntry
from mcptasks_embedded.values import times
from mcptasks_embedded.values.errors import ApiError
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.quantity import parse_quantity
from mcptasks_embedded.values.references import NODES, PODS, Ref


def holds_node(pod: Json) -> bool:
    """Whether the Pod takes room on a node: it has one and has not ended."""
    return bool(pod["spec"].get("nodeName")) and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


@dataclass(slots=True)
class NodeUsage:
    """What the Pods on a node take, kept up to date as Pods come and go."""

    amounts: dict[str, Decimal] = field(default_factory=dict)
    _pods: dict[Ref, dict[str, Decimal]] = field(default_factory=dict)

    @property
    def pods(self) -> int:
        return len(self._pods)

    def add(self, ref: Ref, pod: Json) -> None:
        if ref not in self._pods:
            self._pods[ref] = amounts_of(pod["spec"], "requests")
            for name, amount in self._pods[ref].items():
                self.amounts[name] = self.amounts.get(name, Decimal(0)) + amount

    def remove(self, ref: Ref) -> bool:
        """Whether the Pod was counted."""
        taken = self._pods.pop(ref, None)
        for name, amount in (taken or {}).items():
            self.amounts[name] -= amount
        return taken is not None


def misfits(pod: Json, node: Json, usage: NodeUsage) -> list[str]:
    """Why `pod` cannot run on `node` beside the Pods already there; empty when it can."""
    if node["spec"].get("unschedulable"):
        return ["node(s) were unschedulable"]
    selector = {"matchLabels": pod["spec"].get("nodeSelector") or {}}
    if not label_selector_matches(selector, node["metadata"].get("labels") or {}):
        return ["node(s) didn't match Pod's node affinity/selector"]
    allocatable = {name: parse_quantity(amount) for name, amount in node["status"]["allocatable"].items()}
    reasons = []
    if usage.pods + 1 > allocatable["pods"]:
        reasons.append("Too many pods")
    for name, amount in amounts_of(pod["spec"], "requests").items():
        if amount and usage.amounts.get(name, Decimal(0)) + amount > allocatable.get(name, Decimal(0)):
            reasons.append(f"Insufficient {name}")
    return reasons


def unschedulable_message(reasons: Sequence[str]) -> str:
    """As the default scheduler words it for a cluster of one node."""
    first = f"0/1 nodes are available: {', '.join(f'1 {reason}' for reason in reasons)}."
    if any(reason.startswith(("Insufficient", "Too many")) for reason in reasons):
        return f"{first} preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
    return f"{first} preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."


class Scheduler(Controller):
    """Keys are Pods without a node; when a Pod ends, the waiting ones are tried again."""

    def __init__(self, objects: Objects, node_name: str) -> None:
        super().__init__("scheduler", objects.store)
        self._objects = objects
        self._node = Ref(NODES, "", node_name)
        self._pods = objects.kind("v1", "Pod")
        self._events = EventRecorder(objects, "default-scheduler")
        self._waiting: dict[Ref, None] = {}
        self._usage = NodeUsage()
        self.watch(PODS, self._pod_keys)
        self.watch(NODES, lambda change: list(self._waiting))

    def _pod_keys(self, change: Change) -> list[Ref]:
        pod, ref = change.entry.obj, change.entry.ref
        if change.type == "DELETED" or not holds_node(pod):
            freed = self._usage.remove(ref)
            if change.type == "DELETED":
                self._waiting.pop(ref, None)
                return list(self._waiting) if freed else []
            own = [] if pod["spec"].get("nodeName") else [ref]
            return [*own, *self._waiting] if freed else own
        self._usage.add(ref, pod)
        return []

    def reconcile(self, key: Ref) -> float | None:
        entry = self._store.get(key)
        if entry is None or entry.obj["spec"].get("nodeName"):
            self._waiting.pop(key, None)
            return None
        if "deletionTimestamp" in entry.obj["metadata"]:
            self._end(entry)
        elif (entry.obj.get("status") or {}).get("phase") == "Pending":
            self._place(entry)
        return None

    def _end(self, entry: StoreEntry) -> None:
        """End a Pod that never got a node, as Kubernetes' Pod garbage collector does: no kubelet will."""
        self._waiting.pop(entry.ref, None)
        if entry.obj["status"].get("phase") == "Pending":
            entry = self._objects.set_status(self._pods, entry, {**entry.obj["status"], "phase": "Failed"})
        options = DeleteOptions(grace=0, uid=entry.obj["metadata"]["uid"])
        try:
            self._objects.delete(self._pods, entry.ref.namespace, entry.ref.name, options)
        except ApiError as error:
            if error.code != 404:
                raise

    def _place(self, entry: StoreEntry) -> None:
        node = self._store.get(self._node)
        if node is None:
            return
        reasons = misfits(entry.obj, node.obj, self._usage)
        if reasons:
            self._refuse(entry, unschedulable_message(reasons))
        else:
            self._bind(entry)

    def _refuse(self, entry: StoreEntry, message: str) -> None:
        self._waiting[entry.ref] = None
        present = (entry.obj.get("status") or {}).get("conditions") or ()
        if any(c["type"] == "PodScheduled" and c.get("message") == message for c in present):
            return
        self._condition(entry, "False", "Unschedulable", message)
        self._events.warning(entry.obj, "FailedScheduling", message)

    def _bind(self, entry: StoreEntry) -> None:
        self._waiting.pop(entry.ref, None)
        bound = self._condition(self._objects.bind(self._pods, entry.ref, self._node.name), "True")
        self._usage.add(bound.ref, bound.obj)
        name = f"{entry.ref.namespace}/{entry.ref.name}"
        self._events.normal(bound.obj, "Scheduled", f"Successfully assigned {name} to {self._node.name}")

    def _condition(self, entry: StoreEntry, value: str, reason: str = "", message: str = "") -> StoreEntry:
        item = {"type": "PodScheduled", "status": value, "lastProbeTime": None, "lastTransitionTime": times.stamp()}
        if reason:
            item |= {"reason": reason, "message": message}
        change = Patch("strategic", {"status": {"conditions": [item]}})
        return self._objects.patch(self._pods, entry.ref, change, "status")[0]
