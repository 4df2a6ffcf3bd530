"""What the components use: CPU and memory of the Pods' main processes, and of the node where it is this machine."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass

import psutil

from tests.e2e.cluster import ClusterDeployment

TICKS = 100
"""Clock ticks a second, USER_HZ: 100 on every platform that Kubernetes runs on."""

NODE_PROCESSES = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "containerd",
    "kube-proxy",
)


@dataclass(frozen=True)
class Usage:
    """CPU seconds so far and memory of one process."""

    cpu: float
    rss_mib: float


def usage_of(deployment: ClusterDeployment, component: str) -> dict[str, Usage]:
    """Of each running Pod of the component, read inside its container."""
    found = {}
    for pod in deployment.pods(component):
        text = deployment.kubectl.run("exec", pod, "--", "cat", "/proc/1/stat", "/proc/1/status", check=False)
        memory = re.search(r"VmRSS:\s+(\d+) kB", text)
        if memory is not None:
            ticks = text.partition(") ")[2].split()[11:13]
            found[pod] = Usage(sum(map(int, ticks)) / TICKS, round(int(memory[1]) / 1024, 1))
    return found


def cpu_between(before: dict[str, Usage], after: dict[str, Usage]) -> float:
    """CPU seconds that the Pods have used in between; one that is new counts from its start."""
    return sum(usage.cpu - (before[pod].cpu if pod in before else 0) for pod, usage in after.items())


def rss(found: dict[str, Usage]) -> list[float]:
    """MiB of each Pod, the largest first: of operators that is the leader."""
    return sorted((usage.rss_mib for usage in found.values()), reverse=True)


def node_cpu() -> dict[str, float]:
    """CPU seconds of the node's processes so far, and of the whole machine; nothing where the node is elsewhere."""
    found: dict[str, float] = defaultdict(float)
    for process in psutil.process_iter(["name", "cpu_times"]):
        name = process.info["name"]
        if name in NODE_PROCESSES and process.info["cpu_times"] is not None:
            found[name] += process.info["cpu_times"].user + process.info["cpu_times"].system
    if "kubelet" not in found:
        return {}
    times = psutil.cpu_times()
    found["whole machine"] = sum(times) - times.idle - times.iowait - times.guest - times.guest_nice
    return dict(found)


def node_cpu_per(before: dict[str, float], count: int, digits: int | None = None) -> dict[str, float]:
    """Milliseconds of CPU of the node's processes since then, divided by the given number."""
    now = node_cpu()
    return {name: round(1000 * (now[name] - before[name]) / count, digits) for name in now}
