"""The demonstration of `mcptasks demo`: real calls over HTTP on all that `mcptasks dev` runs, each claim proved."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psutil

from mcptasks.client import CallProgress, Client, McpError, ToolResult, ToolTask
from mcptasks.dev.default_templates import executor_patch
from mcptasks.dev.stack import LocalStack
from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import NotFoundError
from mcptasks.kube.kinds import JOBS, MCP_TASK_TEMPLATES, MCP_TASKS
from mcptasks.kube.task_objects import parse_task
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import pods_are_gone, seconds_until_pods_gone
from mcptasks.model.task import DEFAULT_TEMPLATE, McpTask
from mcptasks.model.task_template import Executor
from mcptasks.protocol.versions import ENVELOPE, PROTOCOLS, ProtocolChoice

EXAMPLE = "stdlib_report.py"

STEPS = 24
STEP_SECONDS = 0.25
TOP = 3
STEP_TIMEOUT_SECONDS = 240.0
"""Of each part; on a machine with nothing else to do the longest takes half a minute."""

POLL_SECONDS = 0.1

WARM_CALLS = 5
COLD_CALLS = 2
"""How often a short task is called each way."""


class DemonstrationError(Exception):
    """Something did not happen as it should; the message says what."""


class DemonstrationView(Protocol):
    """Shows what happens."""

    def step(self, title: str) -> None:
        """A new part begins."""
        ...

    def say(self, text: str) -> None:
        """A line for people."""
        ...

    def show(self, name: str, report: CallProgress) -> None:
        """How far a call is."""
        ...

    def done(self, name: str, outcome: str) -> None:
        """A call has ended."""
        ...


@dataclass(frozen=True)
class TaskProcesses:
    """The processes of a task: the tool's own and those that it has started."""

    pids: tuple[int, ...]

    def alive(self) -> list[int]:
        """Those that still run."""
        return [pid for pid in self.pids if _runs(pid)]


def example_file() -> Path:
    """The example server, in the installed package or in a checkout. Raises DemonstrationError where it is missing."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "examples", package.parents[1] / "examples"):
        if (folder / EXAMPLE).is_file():
            return folder / EXAMPLE
    raise DemonstrationError(f"the example {EXAMPLE} is not part of this installation; reinstall mcptasks")


async def in_time(part: Awaitable[None], seconds: float = STEP_TIMEOUT_SECONDS) -> None:
    """Wait for a part. Raises DemonstrationError where it takes too long."""
    try:
        async with asyncio.timeout(seconds):
            await part
    except TimeoutError as error:
        message = f"this part had not ended after {seconds:g} s: the machine is busy, or something hangs"
        raise DemonstrationError(message) from error


@dataclass(eq=False)
class Demonstration:
    """The demonstration on a stack that runs the example."""

    stack: LocalStack
    view: DemonstrationView
    _started: float = field(default_factory=time.monotonic)

    async def run(self) -> None:
        """All parts, one after the other. Raises DemonstrationError where one does not end as it must."""
        async with self._open_lookup() as lookup:
            await in_time(self._report_twice())
            await in_time(self._cancel(lookup))
            await in_time(self._fail(lookup))
            if self.stack.config.warm:
                await in_time(self._compare(lookup))
        self._list_objects()

    @asynccontextmanager
    async def _open_lookup(self) -> AsyncIterator[ClusterLookup]:
        async with await ClusterAccess(self.stack.kubeconfig).connect("mcptasks-demo") as kube:
            yield ClusterLookup(kube, self.stack.namespace)

    async def _report_twice(self) -> None:
        self.view.step("The same work for two clients at once: parse every module of the standard library")
        results = await asyncio.gather(*(self._report(protocol) for protocol in PROTOCOLS))
        texts = {canonical(result) for result in results}
        if len(texts) != 1:
            raise DemonstrationError("the two protocol versions gave different results")
        text = texts.pop()
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.view.say(f"The same result in both protocol versions: {len(text.encode())} bytes, sha256 {digest}...")
        for line in summary(results[0].structured_content):
            self.view.say(f"  {line}")

    async def _report(self, protocol: ProtocolChoice) -> ToolResult:
        name = f"report, MCP {protocol}"
        started = time.monotonic()
        async with Client(self.stack.endpoint, protocol=protocol) as client:
            task = await client.call_tool(
                "report", {"top": TOP}, task=True, on_progress=lambda report: self.view.show(name, report)
            )
            result = await task.result()
            if result.is_error:
                raise DemonstrationError(f"the report failed: {result.text}")
            self.view.done(name, f"completed in {time.monotonic() - started:.1f} s")
            return result

    async def _cancel(self, lookup: ClusterLookup) -> None:
        self.view.step("A task cancelled half-way")
        name = "count_slowly"
        half_way = asyncio.Event()

        def on_progress(report: CallProgress) -> None:
            self.view.show(name, report)
            if report.current is not None and report.total and report.current >= report.total / 2:
                half_way.set()

        before = await asyncio.to_thread(self._all_processes)
        async with Client(self.stack.endpoint) as client:
            arguments = {"steps": STEPS, "delay": STEP_SECONDS, "with_child": True}
            task = await client.call_tool(name, arguments, task=True, on_progress=on_progress)
            waiting = asyncio.create_task(task.wait())
            try:
                await _wait_for_first(waiting, half_way)
                if waiting.done():
                    raise DemonstrationError(f"{name} ended before it could be cancelled: {waiting.result().status}")
                processes = await self._processes(task, before)
                self.view.say(f"Its processes, with the child that the tool started: {_ids(processes)}")
                await task.cancel()
                await self._prove_gone(lookup, task, processes)
                self.view.done(name, "cancelled")
            finally:
                waiting.cancel()

    async def _processes(self, task: ToolTask, before: frozenset[int]) -> TaskProcesses:
        """What runs in Pods now and did not before the task was started."""
        new = await asyncio.to_thread(self._all_processes) - before
        if not new:
            raise DemonstrationError(f"task {task.task_id} runs, but has no process")
        return TaskProcesses(tuple(sorted(new)))

    def _all_processes(self) -> frozenset[int]:
        """The processes of all Pods."""
        pids = set(self.stack.task_pids().values())
        for pid in tuple(pids):
            with contextlib.suppress(psutil.NoSuchProcess):
                pids.update(child.pid for child in psutil.Process(pid).children(recursive=True))
        return frozenset(pids)

    async def _prove_gone(self, lookup: ClusterLookup, task: ToolTask, processes: TaskProcesses) -> None:
        state = await task.wait()
        self.view.say(f"tasks/get says: {state.status}")
        record = await lookup.until_terminated(task.task_id)
        alive = processes.alive()
        if alive:
            raise DemonstrationError(f"processes {alive} of a cancelled task still run")
        self.view.say(f"Processes gone: {_ids(processes)}")
        await lookup.until_no_job(task.task_id)
        self.view.say(f"Job gone: {task.task_id}")
        self.view.say(f"PodsTerminated: True, {seconds_until_pods_gone(record) or 0:.2f} s after the cancellation")

    async def _fail(self, lookup: ClusterLookup) -> None:
        self.view.step("Two tasks that fail: by the tool's own error, and by a crash of its process")
        async with Client(self.stack.endpoint) as client:
            tasks = [
                await client.call_tool("fail", {"message": "the disk is full"}, task=True),
                await client.call_tool("fail", {"message": "the disk is full", "exit_code": 3}, task=True),
            ]
            for task in tasks:
                said = await _failure(task)
                record = await lookup.task(task.task_id)
                self.view.say(f"{task.task_id} is {record.phase}, reason {record.status.reason}")
                self.view.say("  the client is told:")
                for line in said.splitlines():
                    self.view.say(f"    {line}")

    async def _compare(self, lookup: ClusterLookup) -> None:
        self.view.step("A short task, by a worker that has loaded the module and in a Pod of its own")
        by_worker = await self._time_short_tasks(WARM_CALLS)
        await lookup.use(Executor.JOB)
        in_pod = await self._time_short_tasks(COLD_CALLS)
        await lookup.use(Executor.WARM)
        self.view.say(f"executor: Warm  {by_worker:6.2f} s from call to result, the fastest of {WARM_CALLS}")
        self.view.say(
            f"executor: Job   {in_pod:6.2f} s, the fastest of {COLD_CALLS}: {in_pod / by_worker:.0f} times as long"
        )

    async def _time_short_tasks(self, calls: int) -> float:
        """Seconds from call to result of the fastest."""
        seconds = []
        async with Client(self.stack.endpoint) as client:
            for _ in range(calls):
                started = time.monotonic()
                task = await client.call_tool("count_slowly", {"steps": 1, "delay": 0}, task=True)
                result = await task.result()
                if result.is_error:
                    raise DemonstrationError(f"the short task failed: {result.text}")
                seconds.append(time.monotonic() - started)
        return min(seconds)

    def _list_objects(self) -> None:
        has_kubectl = shutil.which("kubectl") is not None
        command = ["kubectl", "get", "mcptasks"] if has_kubectl else ["mcptasks", "get"]
        self.view.step(f"All of it as Kubernetes objects: {' '.join(command)}")
        real = command if has_kubectl else [sys.executable, "-m", *command]
        listed = subprocess.run(
            [*real, "--kubeconfig", str(self.stack.kubeconfig), "-n", self.stack.namespace],
            capture_output=True,
            text=True,
            check=False,
        )
        if listed.returncode:
            raise DemonstrationError(f"{' '.join(command)} failed: {listed.stderr.strip()}")
        for line in listed.stdout.splitlines():
            self.view.say(line)


@dataclass(frozen=True)
class ClusterLookup:
    """What the demonstration looks up in the cluster itself, past the server."""

    kube: KubeClient
    namespace: str

    async def task(self, name: str) -> McpTask:
        """The task's object."""
        return parse_task(await self.kube.get(MCP_TASKS, name, self.namespace))

    async def use(self, executor: Executor) -> None:
        """Have the tasks that come run in this way, as an administrator does with `kubectl patch`."""
        await self.kube.patch(MCP_TASK_TEMPLATES, DEFAULT_TEMPLATE, executor_patch(executor), self.namespace)

    async def until_terminated(self, name: str) -> McpTask:
        """The task, once its Pods are known to be gone."""
        while True:
            task = await self.task(name)
            if pods_are_gone(task):
                return task
            await asyncio.sleep(POLL_SECONDS)

    async def until_no_job(self, name: str) -> None:
        """Returns when the Job is gone."""
        while True:
            try:
                await self.kube.get(JOBS, name, self.namespace)
            except NotFoundError:
                return
            await asyncio.sleep(POLL_SECONDS)


def canonical(result: ToolResult) -> str:
    """The tool's result as text, without what belongs to the protocol version."""
    own: JsonObject = {key: value for key, value in result.raw.items() if key not in ENVELOPE}
    return json.dumps(own, ensure_ascii=False)


def summary(report: JsonObject) -> list[str]:
    """The report in a few lines."""
    modules = ", ".join(f"{module['name']} ({module['lines']} lines)" for module in report["largest_modules"])
    functions = ", ".join(f"{f['module']}.{f['name']} ({f['lines']} lines)" for f in report["longest_functions"])
    edges = ", ".join(f"{e['importer']} -> {e['imported']} ({e['modules']})" for e in report["import_edges"])
    return [
        f"{report['files']} files, {report['lines']} lines, "
        f"{report['functions']} functions, {report['classes']} classes",
        f"largest modules: {modules}",
        f"longest functions: {functions}",
        f"most frequent imports: {edges}",
    ]


async def _failure(task: ToolTask) -> str:
    """What a client learns of a task that must fail."""
    try:
        result = await task.result()
    except McpError as error:
        return error.message
    if not result.is_error:
        raise DemonstrationError(f"task {task.task_id} was to fail, and did not")
    return result.text


async def _wait_for_first(waiting: asyncio.Task[object], event: asyncio.Event) -> None:
    """Returns when the task has ended or the event is set."""
    signalled = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({waiting, signalled}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        signalled.cancel()


def _ids(processes: TaskProcesses) -> str:
    return ", ".join(map(str, processes.pids))


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
