"""The status of a Pod as the kubelet reports it, from the states of its containers. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mcptasks_embedded.values import times
from mcptasks_embedded.values.json_object import Json

_OWN_CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")


@dataclass(slots=True)
class ContainerState:
    """What the kubelet knows of one container. `state` is a `v1.ContainerState`.

    `probed` says that it has a readiness probe, `passed` that the probe has passed.
    """

    name: str
    image: str
    state: Json = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last: Json = field(default_factory=dict)
    restarts: int = 0
    probed: bool = False
    passed: bool = False

    @property
    def running(self) -> bool:
        return "running" in self.state

    @property
    def ready(self) -> bool:
        """Whether it runs, and has passed its readiness probe if it has one."""
        return self.running and (self.passed or not self.probed)

    @property
    def terminated(self) -> Json | None:
        return self.state.get("terminated")

    def wait(self, reason: str, message: str = "") -> None:
        waiting = {"reason": reason}
        if message:
            waiting["message"] = message
        self.state = {"waiting": waiting}

    def as_json(self, *, init: bool) -> Json:
        done = self.terminated is not None and self.terminated.get("exitCode") == 0
        return {
            "name": self.name,
            "state": self.state,
            "lastState": self.last,
            "ready": done if init else self.ready,
            "started": self.running,
            "restartCount": self.restarts,
            "image": self.image,
            "imageID": f"local/{self.image}",
            "containerID": (self.terminated or {}).get("containerID", "") or "",
        }


@dataclass(frozen=True, slots=True)
class PodStatusFacts:
    """What a status is derived from. With `over`, nothing will be started again.

    `reason` and `message` are the Pod's own (DeadlineExceeded, Evicted). `address` is the Pod's.
    """

    init: Sequence[ContainerState]
    main: Sequence[ContainerState]
    restart_policy: str
    started: str
    over: bool = False
    reason: str = ""
    message: str = ""
    address: str = "127.0.0.1"


def pod_phase(facts: PodStatusFacts) -> str:
    """The phase of the Pod."""
    if facts.over:
        codes = [state.terminated.get("exitCode") if state.terminated else None for state in facts.main]
        clean = not facts.reason and bool(codes) and all(code == 0 for code in codes)
        return "Succeeded" if clean else "Failed"
    if any(state.running or state.terminated or state.restarts for state in facts.main):
        return "Running"
    return "Pending"


def _initialized(facts: PodStatusFacts) -> bool:
    return all(state.terminated is not None and state.terminated.get("exitCode") == 0 for state in facts.init)


def conditions(facts: PodStatusFacts, present: Sequence[Json]) -> list[Json]:
    """The kubelet's conditions beside those of others; a condition that stays keeps its time."""
    ready = bool(facts.main) and all(state.ready for state in facts.main)
    phase = pod_phase(facts)
    why = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(phase, "ContainersNotReady")
    values = {
        "PodReadyToStartContainers": (bool(facts.started) and not facts.over, ""),
        "Initialized": (_initialized(facts), "ContainersNotInitialized" if phase != "Succeeded" else "PodCompleted"),
        "Ready": (ready, why),
        "ContainersReady": (ready, why),
    }
    before = {item["type"]: item for item in present}
    result = []
    for kind in _OWN_CONDITIONS:
        value, reason = values[kind]
        item: Json = {"type": kind, "status": "True" if value else "False", "lastProbeTime": None}
        if reason and not value:
            item["reason"] = reason
        old = before.get(kind)
        same = old is not None and old["status"] == item["status"]
        item["lastTransitionTime"] = old["lastTransitionTime"] if old is not None and same else times.stamp()
        result.append(item)
    return [*result, *(item for item in present if item["type"] not in _OWN_CONDITIONS)]


def pod_status(facts: PodStatusFacts, present: Json) -> Json:
    """The next status; what others wrote into the `present` one stays."""
    status = dict(present)
    status["phase"] = pod_phase(facts)
    status["conditions"] = conditions(facts, present.get("conditions") or ())
    if facts.started:
        status |= {"hostIP": "127.0.0.1", "hostIPs": [{"ip": "127.0.0.1"}]}
        status |= {"podIP": facts.address, "podIPs": [{"ip": facts.address}]}
        status["startTime"] = facts.started
    status["containerStatuses"] = [state.as_json(init=False) for state in facts.main]
    if facts.init:
        status["initContainerStatuses"] = [state.as_json(init=True) for state in facts.init]
    if facts.reason:
        status |= {"reason": facts.reason, "message": facts.message}
    return status
