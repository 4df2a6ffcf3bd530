"""The life of one Pod on this machine: volumes, init containers, containers, end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from mcptasks_embedded.node.container_env import ConfigError
from mcptasks_embedded.node.container_errors import start_error_message
from mcptasks_embedded.node.container_log import ContainerLog
from mcptasks_embedded.node.container_runtime import ContainerOutcome, ContainerRun, RunSpec, StartSlot
from mcptasks_embedded.node.node_services import NodeServices
from mcptasks_embedded.node.pod_status import ContainerState, PodStatusFacts, pod_status
from mcptasks_embedded.node.readiness_probe import http_probe, keep_probing
from mcptasks_embedded.node.run_specs import RunSpecs
from mcptasks_embedded.node.volumes import MountError, PodVolumes, VolumeSources
from mcptasks_embedded.objects.options import DeleteOptions
from mcptasks_embedded.values import times
from mcptasks_embedded.values.api_kind import ApiKind
from mcptasks_embedded.values.errors import ApiError
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.quantity import parse_quantity

T = TypeVar("T")
_log = logging.getLogger(__name__)

#: Images below this name are never pulled: a hook for trying out ErrImagePull and ImagePullBackOff.
UNPULLABLE = "unpullable.invalid/"
_RETRY_SECONDS = 0.5
_PULL_BACKOFF_SECONDS = 1.0
_CRASH_BACKOFF_SECONDS = 10.0
_CRASH_BACKOFF_LIMIT = 300.0


class PodStoppedError(Exception):
    """The Pod is being stopped; the remaining steps do not happen."""


@dataclass(frozen=True, slots=True)
class PodStop:
    """Why and how a Pod is stopped; `grace` in seconds."""

    grace: float
    reason: str = ""
    message: str = ""


class PodWorker:
    """Runs one Pod. `run()` returns once all of its processes are gone and its last status is written."""

    def __init__(self, services: NodeServices, pod: Json, directory: Path) -> None:
        self._services = services
        self._pods: ApiKind = services.objects.kind("v1", "Pod")
        self.pod = pod
        self._directory = directory
        self._volumes = PodVolumes(directory / "volumes", VolumeSources(services.objects.store, services.tokens, pod))
        self._specs = RunSpecs(services, pod, directory, self._volumes)
        self._policy: str = pod["spec"].get("restartPolicy", "Always")
        self._init = [ContainerState(c["name"], c["image"]) for c in pod["spec"].get("initContainers") or ()]
        self._main = [ContainerState(c["name"], c["image"]) for c in pod["spec"]["containers"]]
        self._address = next(services.addresses)
        self._started = ""
        self._over = False
        self._stop: PodStop | None = None
        self._stopping = asyncio.Event()
        self._deadline: asyncio.TimerHandle | None = None
        self._refresh: asyncio.Task[None] | None = None
        self.runs: dict[str, ContainerRun] = {}
        self.logs: dict[str, list[ContainerLog]] = {}

    @property
    def uid(self) -> str:
        return str(self.pod["metadata"]["uid"])

    # --- from outside ---

    def stop(self, stop: PodStop) -> None:
        """Begin to end the Pod. The first reason counts, and the shortest grace period."""
        first = self._stop is None
        if first:
            self._stop = stop
        self._stopping.set()
        for run in self.runs.values():
            run.terminate(stop.grace)
        # This comes last: an event that cannot be written must keep no process running.
        for name in self.runs if first else ():
            self._services.events.normal(self.pod, "Killing", f"Stopping container {name}")

    def set_deadline(self, seconds: int | None) -> None:
        """`activeDeadlineSeconds`, counted from the Pod's start."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if seconds is None or self._over or not self._started:
            return
        left = times.parse(self._started).timestamp() + seconds - times.now().timestamp()
        message = "Pod was active on the node longer than the specified deadline"
        grace = float(self.pod["spec"].get("terminationGracePeriodSeconds", 30))
        stop = PodStop(grace, "DeadlineExceeded", message)
        self._deadline = asyncio.get_running_loop().call_later(max(left, 0), self.stop, stop)

    def remove(self) -> None:
        """Delete the Pod's files."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def memory_limits(self) -> dict[str, int]:
        """Marker -> limit in bytes, of the containers that run and have one."""
        limits = {}
        for container in self._containers():
            amount = ((container.get("resources") or {}).get("limits") or {}).get("memory")
            run = self.runs.get(container["name"])
            if amount and run is not None:
                limits[run.marker] = int(parse_quantity(amount))
        return limits

    def out_of_memory(self, marker: str) -> None:
        for run in self.runs.values():
            if run.marker == marker:
                run.out_of_memory = True
                run.kill()

    # --- life ---

    async def run(self) -> None:
        self._started = times.stamp()
        self.set_deadline(self.pod["spec"].get("activeDeadlineSeconds"))
        try:
            await self._run_containers()
        except PodStoppedError:
            _log.debug("pod %s stopped", self.pod["metadata"]["name"])
        finally:
            self._over = True
            self.set_deadline(None)
            if self._refresh is not None:
                self._refresh.cancel()
            self._terminate_unstarted()
            self._publish()

    async def _run_containers(self) -> None:
        self._publish()
        await self._set_up_volumes()
        for container, state in zip(self.pod["spec"].get("initContainers") or (), self._init, strict=True):
            for other in self._main:
                other.wait("PodInitializing")
            if not await self._run_init(container, state):
                return
        pairs = zip(self.pod["spec"]["containers"], self._main, strict=True)
        await asyncio.gather(*(self._run_main(container, state) for container, state in pairs))

    async def _unless_stopped(self, what: Coroutine[Any, Any, T]) -> T:
        """The result of `what`. Raises PodStoppedError as soon as the Pod is stopped."""
        task = asyncio.ensure_future(what)
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        if task.cancelled():
            raise PodStoppedError
        return task.result()

    async def _pause(self, seconds: float) -> None:
        await self._unless_stopped(asyncio.sleep(seconds))

    async def _set_up_volumes(self) -> None:
        while True:
            try:
                again = self._volumes.set_up()
                break
            except (MountError, ConfigError, OSError) as error:
                names = ", ".join(v["name"] for v in self.pod["spec"].get("volumes") or ())
                message = f'MountVolume.SetUp failed for volume "{names}" : {error}'
                self._services.events.warning(self.pod, "FailedMount", message)
                await self._pause(_RETRY_SECONDS)
        if again is not None:
            self._refresh = asyncio.create_task(self._refresh_volumes(again))

    async def _refresh_volumes(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                seconds = self._volumes.set_up() or seconds
            except (MountError, OSError) as error:
                _log.warning("volumes of pod %s not refreshed: %s", self.pod["metadata"]["name"], error)
                seconds = _RETRY_SECONDS

    async def _run_init(self, container: Json, state: ContainerState) -> bool:
        while True:
            outcome = await self._run_once(container, state)
            if outcome.code == 0:
                return True
            if self._policy == "Never" or self._stopping.is_set():
                return False
            await self._crash_backoff(container, state)

    async def _run_main(self, container: Json, state: ContainerState) -> None:
        while True:
            outcome = await self._run_once(container, state)
            again = self._policy == "Always" or (self._policy == "OnFailure" and outcome.code != 0)
            if not again or self._stopping.is_set():
                return
            await self._crash_backoff(container, state)

    async def _crash_backoff(self, container: Json, state: ContainerState) -> None:
        state.last, state.restarts = state.state, state.restarts + 1
        delay = min(_CRASH_BACKOFF_SECONDS * 2 ** (state.restarts - 1), _CRASH_BACKOFF_LIMIT)
        if state.restarts > 1:
            name = f"{self.pod['metadata']['name']}_{self.pod['metadata']['namespace']}({self.uid})"
            text = f"back-off {int(delay)}s restarting failed container={container['name']} pod={name}"
            state.wait("CrashLoopBackOff", text)
            self._publish()
            await self._pause(delay)

    # --- one run ---

    async def _run_once(self, container: Json, state: ContainerState) -> ContainerOutcome:
        await self._pull(container, state)
        spec = await self._configure(container, state)
        slot = await self._unless_stopped(self._services.runtime.slot())
        try:
            outcome = await self._start(container, state, spec, slot)
        finally:
            slot.release()
        stamps = [times.stamp(datetime.fromtimestamp(t, UTC)) for t in (outcome.started, outcome.finished)]
        terminated = {
            "exitCode": outcome.code,
            "reason": outcome.reason,
            "startedAt": stamps[0],
            "finishedAt": stamps[1],
        }
        if outcome.message:
            terminated["message"] = outcome.message
        state.state = {"terminated": terminated}
        if not self._all_ended():
            self._publish()
        return outcome

    async def _start(self, container: Json, state: ContainerState, spec: RunSpec, slot: StartSlot) -> ContainerOutcome:
        if self._stopping.is_set():
            raise PodStoppedError
        try:
            run = await self._services.runtime.start(spec)
        except OSError as error:
            return self._start_error(spec, error)
        slot.release_soon()
        return await self._watch_run(container, state, run)

    def _all_ended(self) -> bool:
        return self._policy == "Never" and all(state.terminated is not None for state in self._main)

    async def _pull(self, container: Json, state: ContainerState) -> None:
        image = container["image"]
        if not image.startswith(UNPULLABLE):
            text = f'Container image "{image}" already present on machine'
            self._services.events.normal(self.pod, "Pulled", text)
            return
        cause = f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": no such host'
        self._services.events.normal(self.pod, "Pulling", f'Pulling image "{image}"')
        while True:
            state.wait("ErrImagePull", cause)
            self._services.events.warning(self.pod, "Failed", f'Failed to pull image "{image}": {cause}')
            self._publish()
            await self._pause(_PULL_BACKOFF_SECONDS)
            state.wait("ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {cause}')
            self._services.events.normal(self.pod, "BackOff", f'Back-off pulling image "{image}"')
            self._publish()
            await self._pause(10 * _PULL_BACKOFF_SECONDS)

    async def _configure(self, container: Json, state: ContainerState) -> RunSpec:
        while True:
            try:
                return self._specs.make(container, state.restarts)
            except (ConfigError, OSError) as error:
                state.wait("CreateContainerConfigError", str(error))
                self._services.events.warning(self.pod, "Failed", f"Error: {error}")
                self._publish()
                await self._pause(_RETRY_SECONDS)

    async def _watch_run(self, container: Json, state: ContainerState, run: ContainerRun) -> ContainerOutcome:
        name = container["name"]
        self.runs[name] = run
        self.logs.setdefault(name, []).append(run.log)
        if self._stop is not None:
            run.terminate(self._stop.grace)
        self._services.events.normal(self.pod, "Created", f"Created container: {name}")
        self._services.events.normal(self.pod, "Started", f"Started container {name}")
        state.state = {"running": {"startedAt": times.stamp()}}
        probing = self._probe(container, state)
        self._publish()
        try:
            code = await run.wait()
        finally:
            del self.runs[name]
            if probing is not None:
                probing.cancel()
        reason = "OOMKilled" if run.out_of_memory else "Error" if code else "Completed"
        message = self._specs.termination_message(container, code, run.log)
        return ContainerOutcome(code, reason, message, run.started, times.now().timestamp())

    def _probe(self, container: Json, state: ContainerState) -> asyncio.Task[None] | None:
        """Begin to make the container's readiness probe, if it has one."""
        probe = http_probe(container, self._address)
        state.probed, state.passed = probe is not None, False

        def changed(passed: bool) -> None:
            state.passed = passed
            self._publish()

        return None if probe is None else asyncio.create_task(keep_probing(probe, changed))

    def _start_error(self, spec: RunSpec, error: OSError) -> ContainerOutcome:
        message = start_error_message(spec.command.argv[0], error)
        self._services.events.warning(self.pod, "Failed", f"Error: {message}")
        now = times.now().timestamp()
        # Real runtimes report the Unix epoch as the start of what never started.
        return ContainerOutcome(128, "StartError", message, 0.0, now)

    # --- status ---

    def _containers(self) -> list[Json]:
        spec = self.pod["spec"]
        return [*(spec.get("initContainers") or ()), *spec["containers"]]

    def _terminate_unstarted(self) -> None:
        """A container that was never started does not stay 'creating' in a Pod that is over."""
        for state in self._main:
            if self._stop is not None and state.terminated is None and not state.last:
                stamp = times.stamp()
                text = "The container could not be located when the pod was terminated"
                ended = {"exitCode": 137, "reason": "ContainerStatusUnknown", "message": text}
                state.state = {"terminated": {**ended, "startedAt": None, "finishedAt": stamp}}

    def _publish(self) -> None:
        metadata = self.pod["metadata"]
        entry = self._services.objects.store.get(self._pods.ref(metadata["namespace"], metadata["name"]))
        if entry is None or entry.obj["metadata"]["uid"] != self.uid:
            return
        stop = self._stop or PodStop(0)
        over = self._over or self._all_ended()
        reason, message = (stop.reason, stop.message) if over else ("", "")
        facts = PodStatusFacts(
            self._init, self._main, self._policy, self._started, over, reason, message, self._address
        )
        self._services.objects.set_status(self._pods, entry, pod_status(facts, entry.obj.get("status") or {}))

    def finalize(self) -> None:
        """Let the Pod object go, when it is being deleted."""
        metadata = self.pod["metadata"]
        entry = self._services.objects.store.get(self._pods.ref(metadata["namespace"], metadata["name"]))
        if entry is None or "deletionTimestamp" not in entry.obj["metadata"]:
            return
        with contextlib.suppress(ApiError):
            self._services.objects.delete(
                self._pods, entry.ref.namespace, entry.ref.name, DeleteOptions(grace=0, uid=self.uid)
            )


DIRECTORY_CHARACTERS = 12
"""Characters of a Pod's uid that name its directory.

In the one for temporary files there must be room for a socket's path of 107 characters, and `multiprocessing`, for
example, takes 32 of them for its own.
"""


def make_directory(root: Path, uid: str) -> Path:
    directory = root / uid.replace("-", "")[:DIRECTORY_CHARACTERS]
    directory.mkdir(mode=0o700, parents=True)
    return directory
