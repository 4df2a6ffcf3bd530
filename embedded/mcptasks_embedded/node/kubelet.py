"""The kubelet of the one node: runs Pods as local processes.

What is not as on a real node:

* Images are ignored; a container without a `command` runs the cluster's `entrypoint`. Images below
  `unpullable.invalid/` are never "pulled", for tests.
* There are no namespaces. Volumes are directories below the Pod's own; mount paths in environment values, command and
  arguments are replaced by them (see `container_env`). Files that a program looks for under a fixed mount path are not
  there.
* The environment has PATH (with this interpreter's directory first), HOME, HOSTNAME, LANG, LC_ALL, VIRTUAL_ENV,
  TMPDIR (below the Pod's directory) and what the Pod defines; nothing else of this process's environment.
* A main process without a handler for SIGTERM dies from it; as PID 1 of a container it would ignore it.
* CPU limits have no effect, memory limits are enforced by looking at the resident size of a container's processes now
  and then.
* Probes, lifecycle hooks, sidecar init containers, security contexts and network policies have no effect.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from mcptasks_embedded.access.tokens import Tokens
from mcptasks_embedded.node.container_log import send_log
from mcptasks_embedded.node.container_runtime import Runtime
from mcptasks_embedded.node.pod_worker import PodStop, PodWorker, make_directory
from mcptasks_embedded.node.processes import ProcessInfo
from mcptasks_embedded.node.run_specs import OnOutput
from mcptasks_embedded.objects.event_recorder import EventRecorder
from mcptasks_embedded.objects.operations import Objects
from mcptasks_embedded.objects.options import PodLogOptions
from mcptasks_embedded.store.memory import Change, Watch
from mcptasks_embedded.values import errors, times
from mcptasks_embedded.values.references import PODS, Ref
from mcptasks_embedded.values.release import GIT_VERSION

Json = dict[str, Any]
_log = logging.getLogger(__name__)

NODE_NAME = "local"
POD_LIMIT = 110
_MEMORY_SECONDS = 0.15
_KEEP_FILES_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class KubeletConfig:
    """`entrypoint` stands for the image's; `on_output(pod, container, line)` sees every line that containers print."""

    directory: Path
    cluster_id: str
    entrypoint: list[str]
    on_output: OnOutput | None = None


class Kubelet:
    """Watches the Pods that are bound to the node."""

    def __init__(self, objects: Objects, tokens: Tokens, config: KubeletConfig) -> None:
        self.objects = objects
        self.tokens = tokens
        self.entrypoint = config.entrypoint
        self.cluster_id = config.cluster_id
        self.on_output = config.on_output
        self.events = EventRecorder(objects, "kubelet")
        cpus = os.cpu_count() or 1
        self.capacity = {"cpu": str(cpus), "memory": str(psutil.virtual_memory().total), "pods": str(POD_LIMIT)}
        self.capacity["nvidia.com/gpu"] = "0"
        self.runtime = Runtime(2 * cpus)
        self._directory = config.directory
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._watch: Watch | None = None

    # --- the node ---

    def register(self) -> None:
        """Create the Node object."""
        labels = {"kubernetes.io/hostname": NODE_NAME, "kubernetes.io/os": platform.system().lower()}
        labels["kubernetes.io/arch"] = {"x86_64": "amd64", "aarch64": "arm64"}.get(
            platform.machine(), platform.machine()
        )
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
            "machineID": self.cluster_id,
            "systemUUID": self.cluster_id,
            "bootID": self.cluster_id,
        }
        status = {
            "capacity": self.capacity,
            "allocatable": self.capacity,
            "conditions": [ready],
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": NODE_NAME}],
            "nodeInfo": info,
        }
        body = {"metadata": {"name": NODE_NAME, "labels": labels}, "spec": {}, "status": status}
        self.objects.create(self.objects.kind("v1", "Node"), "", body)

    # --- life ---

    def start(self) -> None:
        self._watch = self.objects.store.watch(PODS)
        self._loops = [asyncio.create_task(self._follow(self._watch)), asyncio.create_task(self._guard_memory())]

    async def stop(self) -> None:
        """Kill all Pods' processes and wait until they are gone."""
        if self._watch is not None:
            self._watch.close()
        for loop in self._loops:
            loop.cancel()
        for worker in self._workers.values():
            worker.stop(PodStop(0))
        await asyncio.gather(*self._loops, *self._tasks.values(), return_exceptions=True)

    async def _follow(self, watch: Watch) -> None:
        while not watch.closed:
            for change in await watch.wait():
                try:
                    self._handle(change)
                except Exception:  # noqa: BLE001 - one Pod must not take the node down; the log has the cause
                    _log.exception("pod %s could not be handled", change.entry.ref.name)

    def _handle(self, change: Change) -> None:
        pod = change.entry.obj
        metadata = pod["metadata"]
        worker = self._workers.get(metadata["uid"])
        if change.type == "DELETED":
            self._forget(metadata["uid"])
        elif worker is None:
            if pod["spec"].get("nodeName") == NODE_NAME and (pod.get("status") or {}).get("phase") == "Pending":
                self._begin(pod)
        elif "deletionTimestamp" in metadata:
            if metadata["uid"] in self._tasks:
                worker.stop(PodStop(float(metadata.get("deletionGracePeriodSeconds", 0))))
            else:
                worker.finalize()
        elif _deadline_changed(change):
            worker.set_deadline(pod["spec"].get("activeDeadlineSeconds"))

    def _begin(self, pod: Json) -> None:
        uid = pod["metadata"]["uid"]
        worker = PodWorker(self, pod, make_directory(self._directory, uid))
        self._workers[uid] = worker
        self._tasks[uid] = asyncio.create_task(self._run(worker))
        if "deletionTimestamp" in pod["metadata"]:
            worker.stop(PodStop(0))

    async def _run(self, worker: PodWorker) -> None:
        try:
            await worker.run()
        except Exception:  # noqa: BLE001 - one Pod must not take the node down; the log has the cause
            _log.exception("pod %s failed", worker.pod["metadata"]["name"])
        finally:
            del self._tasks[worker.uid]
        worker.finalize()
        current = self.objects.store.find_uid(worker.uid)
        if current is None:
            self._forget(worker.uid)

    def _forget(self, uid: str) -> None:
        """The object is gone: so must be processes and files."""
        worker = self._workers.get(uid)
        if worker is None:
            return
        if uid in self._tasks:
            worker.stop(PodStop(0))
            return
        del self._workers[uid]
        # Who follows the log still reads its last lines.
        asyncio.get_running_loop().call_later(_KEEP_FILES_SECONDS, worker.remove)

    # --- memory ---

    async def _guard_memory(self) -> None:
        while True:
            await asyncio.sleep(_MEMORY_SECONDS)
            owners = {marker: worker for worker in self._workers.values() for marker in worker.memory_limits()}
            if not owners:
                continue
            limits = {marker: worker.memory_limits()[marker] for marker, worker in owners.items() if worker.runs}
            used = _memory(await self.runtime.table.snapshot())
            for marker, limit in limits.items():
                if used.get(marker, 0) > limit:
                    owners[marker].out_of_memory(marker)

    # --- logs ---

    def processes(self) -> dict[str, int]:
        """Marker -> pid of the main process, of all containers that run."""
        return {run.marker: run.pid for worker in self._workers.values() for run in worker.runs.values()}

    async def stream_logs(self, pod: Json, options: PodLogOptions, send: Callable[[bytes], Awaitable[None]]) -> None:
        name = self._container_name(pod, options.container)
        worker = self._workers.get(pod["metadata"]["uid"])
        logs = worker.logs.get(name, []) if worker else []
        if options.previous:
            logs = logs[:-1]
        if not logs:
            raise self._no_log(pod, name, options.previous)
        await send_log(logs[-1], options, send)

    def _container_name(self, pod: Json, wanted: str) -> str:
        names = [c["name"] for key in ("initContainers", "containers") for c in pod["spec"].get(key) or ()]
        pod_name = pod["metadata"]["name"]
        if wanted and wanted not in names:
            raise errors.bad_request(f"container {wanted} is not valid for pod {pod_name}")
        if not wanted and len(names) > 1:
            listed = " ".join(names)
            message = f"a container name must be specified for pod {pod_name}, choose one of: [{listed}]"
            raise errors.bad_request(message)
        return wanted or names[0]

    def _no_log(self, pod: Json, name: str, previous: bool) -> errors.ApiError:
        pod_name = pod["metadata"]["name"]
        if previous:
            return errors.bad_request(f'previous terminated container "{name}" in pod "{pod_name}" not found')
        statuses = (pod.get("status") or {}).get("containerStatuses") or ()
        reasons = [s["state"]["waiting"]["reason"] for s in statuses if s["name"] == name and "waiting" in s["state"]]
        reason = reasons[0] if reasons else "ContainerCreating"
        known = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}
        why = known.get(reason, reason)
        return errors.bad_request(f'container "{name}" in pod "{pod_name}" is waiting to start: {why}')

    def worker_of(self, ref: Ref) -> PodWorker | None:
        entry = self.objects.store.get(ref)
        return self._workers.get(entry.obj["metadata"]["uid"]) if entry else None


def _memory(processes: list[ProcessInfo]) -> dict[str, int]:
    used: dict[str, int] = {}
    for info in processes:
        if info.marker:
            used[info.marker] = used.get(info.marker, 0) + info.rss
    return used


def _deadline_changed(change: Change) -> bool:
    before = change.previous.obj["spec"].get("activeDeadlineSeconds") if change.previous else None
    return bool(before != change.entry.obj["spec"].get("activeDeadlineSeconds"))
