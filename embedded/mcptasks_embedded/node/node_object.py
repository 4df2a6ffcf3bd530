"""The Node object of this machine."""

from __future__ import annotations

import platform
from collections.abc import Mapping

from mcptasks_embedded.values import times
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.release import GIT_VERSION


def node_object(name: str, capacity: Mapping[str, str], machine_id: str) -> Json:
    """A Node that is ready; `capacity` by resource."""
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": platform.system().lower()}
    labels["kubernetes.io/arch"] = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    stamp = times.stamp()
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
    }
    ready |= {"lastHeartbeatTime": stamp, "lastTransitionTime": stamp}
    info = {
        "kubeletVersion": GIT_VERSION,
        "operatingSystem": platform.system().lower(),
        "architecture": labels["kubernetes.io/arch"],
        "osImage": platform.platform(terse=True),
        "kernelVersion": platform.release(),
        "containerRuntimeVersion": "process://1",
        "kubeProxyVersion": "",
        "machineID": machine_id,
        "systemUUID": machine_id,
        "bootID": machine_id,
    }
    status = {
        "capacity": capacity,
        "allocatable": capacity,
        "conditions": [ready],
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}],
        "nodeInfo": info,
    }
    return {"metadata": {"name": name, "labels": labels}, "spec": {}, "status": status}
