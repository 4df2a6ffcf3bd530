"""A second node, whose machine the tests may take away."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from mcptasks.model.base import JsonObject
from tests.e2e.machine import ClusterTool, container_pids, kill_all
from tests.support.kubectl import Kubectl
from tests.support.polling import eventually


@dataclass(frozen=True)
class OtherNode:
    """A node whose kubelet and containerd can be killed from here."""

    name: str
    kubectl: Kubectl
    tool: ClusterTool = field(default_factory=ClusterTool)

    @classmethod
    def find(cls, kubectl: Kubectl) -> Self | None:
        """One whose kubelet is a component of its own; None where no node but the first has one."""
        tool = ClusterTool()
        names = [node["metadata"]["name"] for node in kubectl.list("nodes")]
        return next((cls(name, kubectl, tool) for name in names if tool.knows(f"kubelet-{name}")), None)

    def drain(self) -> None:
        """Move all that runs there to other nodes; tasks that come later may run there again."""
        options = ["--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=180s"]
        try:
            self.kubectl.run("drain", self.name, *options, seconds=200)
        finally:
            self.kubectl.run("uncordon", self.name)

    def stop_answering(self) -> None:
        """Kill kubelet and containerd. What runs in containers goes on."""
        self.tool.kill(f"kubelet-{self.name}")
        self.tool.kill(f"containerd-{self.name}")

    def die(self, pod: JsonObject) -> None:
        """Kill kubelet, containerd and all processes of the Pod, and take the node out of the cluster."""
        pids = container_pids(pod)
        assert pids, "the Pod's processes are not on this machine"
        self.stop_answering()
        kill_all(pids)
        self.kubectl.run("delete", "node", self.name)

    def come_back(self) -> None:
        """Start containerd and kubelet again, and wait until the node is ready."""
        self.tool.keep_up(f"containerd-{self.name}", f"kubelet-{self.name}")
        eventually(f"{self.name} is ready", self._ready, 120)

    def _ready(self) -> bool:
        node = self.kubectl.find("node", self.name) or {}
        conditions = (node.get("status") or {}).get("conditions") or ()
        taints = (node.get("spec") or {}).get("taints") or ()
        return not taints and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
