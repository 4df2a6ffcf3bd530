"""The kubelet of the one node: runs Pods as local processes.

How it differs from a real node:

* Images are ignored; a container without a `command` runs the cluster's `entrypoint`. Images below
  `unpullable.invalid/` are never "pulled", for tests.
* There are no namespaces. Volumes are directories below the Pod's own; mount paths in environment values, command and
  arguments are replaced by them (see `container_env`). A program that looks for files under a fixed mount path does
  not find them.
* The environment has PATH (with this interpreter's directory first), HOME, HOSTNAME, LANG, LC_ALL, LOGNAME,
  USER, VIRTUAL_ENV, TMPDIR (below the Pod's directory) and what the cluster's configuration and the Pod define;
  nothing else of this process's environment.
* A main process without a handler for SIGTERM dies from it; as PID 1 of a container it would ignore it.
* CPU limits have no effect, memory limits are enforced by checking the resident size of a container's processes every
  so often.
* Of probes only readiness by `httpGet` is made. Each Pod has a loopback address of its own (on Linux), so that several
  may listen on the same port there.
* Lifecycle hooks, sidecar init containers, security contexts and network policies have no effect.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from mcptasks_embedded.access.tokens import Tokens
from mcptasks_embedded.node.container_log import send_log
from mcptasks_embedded.node.container_runtime import Runtime
from mcptasks_embedded.node.node_object import node_object
from mcptasks_embedded.node.node_services import NodeServices, OnOutput
from mcptasks_embedded.node.pod_addresses import pod_addresses
from mcptasks_embedded.node.pod_logs import container_name, no_log_error
from mcptasks_embedded.node.pod_worker import PodStop, PodWorker, make_directory
from mcptasks_embedded.node.processes import ProcessInfo, memory_used
from mcptasks_embedded.objects.event_recorder import EventRecorder
from mcptasks_embedded.objects.operations import Objects
from mcptasks_embedded.objects.options import PodLogOptions
from mcptasks_embedded.store.changes import Change
from mcptasks_embedded.store.watch import Watch
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.references import PODS

_log = logging.getLogger(__name__)

NODE_NAME = "local"
POD_LIMIT = 110
_MEMORY_SECONDS = 0.15
_KEEP_FILES_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class KubeletConfig:
    """`entrypoint`, `environment` and `working_directory` stand for the image's.

    `on_output(pod, container, line)` sees every line that containers print.
    """

    directory: Path
    cluster_id: str
    entrypoint: list[str]
    environment: Mapping[str, str]
    working_directory: Path | None = None
    on_output: OnOutput | None = None


class Kubelet:
    """Watches the Pods that are bound to the node."""

    def __init__(self, objects: Objects, tokens: Tokens, config: KubeletConfig) -> None:
        cpus = os.cpu_count() or 1
        self._services = NodeServices(
            objects=objects,
            tokens=tokens,
            runtime=Runtime(2 * cpus),
            events=EventRecorder(objects, "kubelet"),
            entrypoint=config.entrypoint,
            cluster_id=config.cluster_id,
            capacity=_capacity(cpus),
            environment=config.environment,
            working_directory=config.working_directory,
            addresses=pod_addresses(),
            on_output=config.on_output,
        )
        self._objects = objects
        self._directory = config.directory
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._loops: list[asyncio.Task[None]] = []
        self._watch: Watch | None = None

    # --- the node ---

    def register(self) -> None:
        """Create the Node object."""
        body = node_object(NODE_NAME, self._services.capacity, self._services.cluster_id)
        self._objects.create(self._objects.kind("v1", "Node"), "", body)

    # --- life ---

    def start(self) -> None:
        self._watch = self._objects.store.watch(PODS)
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
        worker = PodWorker(self._services, pod, make_directory(self._directory, uid))
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
        current = self._objects.store.find_uid(worker.uid)
        if current is None:
            self._forget(worker.uid)

    def _forget(self, uid: str) -> None:
        """The object is gone, so its processes and files must go too."""
        worker = self._workers.get(uid)
        if worker is None:
            return
        if uid in self._tasks:
            worker.stop(PodStop(0))
            return
        del self._workers[uid]
        # Whoever follows the log can still read its last lines.
        asyncio.get_running_loop().call_later(_KEEP_FILES_SECONDS, worker.remove)

    # --- memory ---

    async def _guard_memory(self) -> None:
        while True:
            await asyncio.sleep(_MEMORY_SECONDS)
            owners = {marker: worker for worker in self._workers.values() for marker in worker.memory_limits()}
            if not owners:
                continue
            limits = {marker: worker.memory_limits()[marker] for marker, worker in owners.items() if worker.runs}
            processes = _by_container(await self._services.runtime.table.snapshot())
            for marker, limit in limits.items():
                if _exceeds(processes.get(marker, ()), limit):
                    owners[marker].out_of_memory(marker)

    # --- logs ---

    def processes(self) -> dict[str, int]:
        """Marker -> pid of the main process, of all containers that run."""
        return {run.marker: run.pid for worker in self._workers.values() for run in worker.runs.values()}

    async def stream_logs(self, pod: Json, options: PodLogOptions, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send a container's log. Raises ApiError 400 before the first chunk."""
        name = container_name(pod, options.container)
        worker = self._workers.get(pod["metadata"]["uid"])
        logs = worker.logs.get(name, []) if worker else []
        if options.previous:
            logs = logs[:-1]
        if not logs:
            raise no_log_error(pod, name, options.previous)
        await send_log(logs[-1], options, send)


def _capacity(cpus: int) -> dict[str, str]:
    memory = psutil.virtual_memory().total
    return {"cpu": str(cpus), "memory": str(memory), "pods": str(POD_LIMIT), "nvidia.com/gpu": "0"}


def _by_container(processes: list[ProcessInfo]) -> dict[str, list[ProcessInfo]]:
    found: dict[str, list[ProcessInfo]] = {}
    for info in processes:
        if info.marker:
            found.setdefault(info.marker, []).append(info)
    return found


def _exceeds(processes: Sequence[ProcessInfo], limit: int) -> bool:
    """Whether they hold more memory. To count what they share once takes milliseconds, so that the sum comes first."""
    return sum(info.rss for info in processes) > limit and memory_used(processes) > limit


def _deadline_changed(change: Change) -> bool:
    before = change.previous.obj["spec"].get("activeDeadlineSeconds") if change.previous else None
    return bool(before != change.entry.obj["spec"].get("activeDeadlineSeconds"))
