"""A cluster, an operator and someone who plays server and gateway, for the operator's integration tests."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import psutil

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import NotFoundError
from mcptasks.kube.kinds import EVENTS, JOBS, MCP_TASK_TEMPLATES, MCP_TASKS, PODS, Resource
from mcptasks.kube.task_objects import TaskClient, parse_task
from mcptasks.model.base import API_VERSION, LABEL_TASK, JsonObject
from mcptasks.model.lifecycle import SCHEDULED, Ending, Retention, conditions, end, timestamp, utc_now
from mcptasks.model.names import task_name
from mcptasks.model.task import Condition, McpTask, Phase, Reason, ResultRecord
from mcptasks.settings import Settings
from mcptasks_embedded.cluster_thread import EmbeddedClusterThread
from mcptasks_operator.process.app import Stop, operate
from tests.support.polling import eventually_async, until_fits

T = TypeVar("T")

WAIT_SECONDS = 90.0
SLEEPER = "import time; print('at work', flush=True); time.sleep(600)"


def python(program: str) -> JsonObject:
    """Spec of a template whose runner is this program."""
    return template_spec(command=[sys.executable, "-c", program])


def template_spec(*, command: list[str] | None = None, pod: JsonObject | None = None, **spec: Any) -> JsonObject:
    """Spec of an McpTaskTemplate: `pod` is merged into its Pod's spec, the rest into the runner container."""
    top = {key: spec.pop(key) for key in list(spec) if key in _TEMPLATE_FIELDS}
    container = {"name": "runner", "image": "local", **({"command": command} if command else {}), **spec}
    pod_spec = {"terminationGracePeriodSeconds": 2, "containers": [container], **(pod or {})}
    return {"podTemplate": {"spec": pod_spec}, **top}


_TEMPLATE_FIELDS = frozenset({"startDeadlineSeconds", "timeoutSeconds", "queueName", "retention", "disruptionPolicy"})


@dataclass
class OperatorThread:
    """An operator in a thread and event loop of its own."""

    settings: Settings
    code: int | None = None
    started: threading.Event = field(default_factory=threading.Event)
    port: int = 0
    _loop: asyncio.AbstractEventLoop | None = None
    _stop: Stop | None = None
    _thread: threading.Thread | None = None

    def start(self) -> OperatorThread:
        self._thread = threading.Thread(target=self._run, name="operator")
        self._thread.start()
        return self

    def _run(self) -> None:
        async def main() -> int:
            self._loop, self._stop = asyncio.get_running_loop(), Stop()
            return await operate(self.settings, self._stop, self._on_start)

        self.code = asyncio.run(main())
        self.started.set()

    def _on_start(self, port: int) -> None:
        self.port = port
        self.started.set()

    async def lead(self) -> None:
        """Wait until it leads and watches."""
        assert await asyncio.to_thread(self.started.wait, WAIT_SECONDS), "the operator does not start"

    def stop(self) -> int | None:
        """Stop it cleanly; returns its exit code."""
        if self._loop is not None and self._stop is not None and self.code is None:
            self._loop.call_soon_threadsafe(self._stop.request)
        return self.join()

    def join(self) -> int | None:
        """Wait for its end; returns its exit code."""
        if self._thread is not None:
            self._thread.join(WAIT_SECONDS)
            assert not self._thread.is_alive(), "the operator does not stop"
        return self.code


@dataclass
class OperatorWorld:
    """One namespace of the cluster, and what a test does in it."""

    kube: KubeClient
    cluster: EmbeddedClusterThread
    namespace: str
    settings: Settings

    # --- the operator ---

    @asynccontextmanager
    async def operator(self, **changes: object) -> AsyncIterator[OperatorThread]:
        """An operator for this namespace, until the block ends."""
        thread = OperatorThread(self.settings.model_copy(update=changes)).start()
        try:
            await thread.lead()
            yield thread
        finally:
            await asyncio.to_thread(thread.stop)

    # --- the server's part ---

    async def template(self, spec: JsonObject, name: str = "default") -> None:
        """Create an McpTaskTemplate."""
        body = {"apiVersion": API_VERSION, "kind": "McpTaskTemplate", "metadata": {"name": name}, "spec": spec}
        await self.kube.create(MCP_TASK_TEMPLATES, body, self.namespace)

    async def submit(self, name: str | None = None, **spec: Any) -> str:
        """Create a task, as the server or somebody with kubectl does; returns its name."""
        name = name or task_name("report")
        body = {
            "apiVersion": API_VERSION,
            "kind": "McpTask",
            "metadata": {"name": name},
            "spec": {"component": {"kind": "tool", "name": "report"}, **spec},
        }
        await self.kube.create(MCP_TASKS, body, self.namespace)
        return name

    async def cancel(self, name: str) -> None:
        """What `tasks/cancel` does."""
        await self.finish(name, Ending(Phase.CANCELLED, Reason.CANCELLED_BY_CALLER, "cancelled by the caller"))

    # --- the gateway's part ---

    async def claim(self, name: str) -> JsonObject:
        """What happens when the runner of the task's newest Pod fetches its assignment."""
        pod = (await self.pods(name))[-1]

        def change(task: McpTask) -> JsonObject | None:
            if task.terminal or task.status.pod_uid == pod["metadata"]["uid"]:
                return None
            now = utc_now()
            return {
                "status": {
                    "phase": Phase.WORKING.value,
                    "reason": Reason.RUNNING.value,
                    "message": None,
                    "startedAt": timestamp(now),
                    "attempts": (task.status.attempts or 0) + 1,
                    "jobName": name,
                    "podName": pod["metadata"]["name"],
                    "podUid": pod["metadata"]["uid"],
                    "conditions": conditions(task, now, Condition(type=SCHEDULED, status="True", reason="Running")),
                }
            }

        return await TaskClient(self.kube).update_status(await self.task_object(name), change)

    async def finish(self, name: str, ending: Ending | None = None, floor: float = 30) -> JsonObject:
        """What happens when an outcome arrives: the phase becomes terminal."""
        done = ending or Ending(Phase.COMPLETED, Reason.COMPLETED, "done", ResultRecord(text="{}", size_bytes=2))

        def change(task: McpTask) -> JsonObject | None:
            return None if task.terminal else end(task, done, utc_now(), Retention(3_600_000, floor))

        return await TaskClient(self.kube).update_status(await self.task_object(name), change)

    # --- looking ---

    async def task_object(self, name: str) -> JsonObject:
        return await self.kube.get(MCP_TASKS, name, self.namespace)

    async def task(self, name: str) -> McpTask:
        return parse_task(await self.task_object(name))

    async def job(self, name: str) -> JsonObject | None:
        try:
            return await self.kube.get(JOBS, name, self.namespace)
        except NotFoundError:
            return None

    async def pods(self, name: str) -> list[JsonObject]:
        listed = await self.kube.list(PODS, self.namespace, label_selector=f"{LABEL_TASK}={name}")
        return sorted(listed.items, key=lambda pod: int(pod["metadata"]["resourceVersion"]))

    async def process(self, name: str) -> psutil.Process:
        """The process in the task's only Pod."""
        (pod,) = await self.pods(name)
        processes = self.cluster.call(self.cluster.cluster.processes)
        return psutil.Process(processes[f"{pod['metadata']['uid']}/runner"])

    async def kill_worker(self, worker: JsonObject) -> None:
        """SIGKILL to the process in the worker's Pod."""
        processes = self.cluster.call(self.cluster.cluster.processes)
        psutil.Process(processes[f"{worker['metadata']['uid']}/runner"]).kill()

    async def events(self, name: str) -> list[JsonObject]:
        listed = await self.kube.list(EVENTS, self.namespace, field_selector=f"involvedObject.name={name}")
        return [event for event in listed.items if event["involvedObject"]["kind"] == "McpTask"]

    async def running(self, name: str, attempts: int = 1) -> JsonObject:
        """Wait until the task has had this many Pods and one runs; gives that one."""

        async def look() -> JsonObject | None:
            pods = [pod for pod in await self.pods(name) if pod["status"].get("phase") == "Running"]
            return pods[-1] if len(await self.pods(name)) >= attempts and pods else None

        return await eventually_async(f"Pod {attempts} of {name} runs", look)

    async def says(self, name: str, text: str) -> None:
        """Wait until the task's newest Pod has written the text."""

        async def look() -> bool:
            pod = (await self.pods(name))[-1]["metadata"]["name"]
            return text in "\n".join([line async for line in self.kube.log_lines(pod, self.namespace)])

        await eventually_async(f"{name} writes {text!r}", look)

    async def ended(self, name: str) -> McpTask:
        """Wait until the task's phase is terminal."""
        return await self.until(name, lambda task: task.terminal)

    async def terminated(self, name: str) -> McpTask:
        """Wait until `PodsTerminated` is true."""
        return await self.until(name, is_terminated)

    async def until(self, name: str, fits: Callable[[McpTask], bool]) -> McpTask:
        """Wait until the task fits."""
        return await until_fits(f"task {name}", partial(self.task, name), fits)

    async def gone(self, resource: Resource, name: str) -> None:
        """Wait until there is no such object."""

        async def look() -> bool:
            try:
                await self.kube.get(resource, name, self.namespace)
            except NotFoundError:
                return True
            return False

        await eventually_async(f"{resource.plural} {name} is gone", look)


def is_terminated(task: McpTask) -> bool:
    condition = task.status.condition("PodsTerminated")
    return condition is not None and condition.status == "True"


def kubeconfig_for(url: str, path: Path, token: str = "none") -> Path:
    """A kubeconfig that points to any URL."""
    data = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    path.write_text(json.dumps(data))
    return path
