"""The loop of `mcptasks dev`: everything on this machine, and the server restarted whenever a file changes.

A server that runs is stopped only after the new code has been loaded elsewhere: a typo takes nothing down.

Tasks run in processes of their own and reach the server again after its restart: a change interrupts none of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from watchfiles import awatch

from mcptasks.authoring.loader import ServerPath, absolute, named_in
from mcptasks.authoring.module_digest import module_digest
from mcptasks.authoring.source_filter import SourceFilter
from mcptasks.client import Client, ClientError, ListedPrompt, ListedResource, Tool
from mcptasks.dev.default_templates import new_code_patch
from mcptasks.dev.dev_record import DevRecord, DevRecords
from mcptasks.dev.log_tail import LogTail, Say
from mcptasks.dev.stack import CHECK, DASHBOARD, LocalStack, StackConfig
from mcptasks.dev.supervisor import ProcessError
from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.errors import KubeError, NotFoundError
from mcptasks.kube.kinds import MCP_TASK_TEMPLATES, MCP_TASKS
from mcptasks.kube.task_objects import parse_task
from mcptasks.logs import TOOL_LOGGER
from mcptasks.model.excerpts import lines_of
from mcptasks.model.exit_codes import ExitCode
from mcptasks.model.task import McpTask, Reason
from mcptasks.model.task_template import Executor

Component: TypeAlias = Tool | ListedPrompt | ListedResource

SERVER = "server"
CHECK_SECONDS = 0.5
RETRY_SECONDS = 1.0
_OWN_LOG = re.compile(rf"\d\d:\d\d:\d\d INFO +mcptasks\.(?!{TOOL_LOGGER.removeprefix('mcptasks.')}\b)")
"""What mcptasks itself logs of what goes well, as `HumanFormatter` writes it."""

LIST_SECONDS = 15.0
"""How long the list of tools may take before `dev` goes on without."""


class DevError(Exception):
    """There is nothing to run: no such file, no server in it or several. The message says what to do."""


@dataclass(frozen=True)
class DevTerminal:
    """Where the loop prints: `result` is what programs may read, `note` is for people.

    `components` is told the endpoint, and the server's tools, prompts and resources.
    """

    result: Say
    note: Say
    components: Callable[[str, Sequence[Component]], None]


def check_modules(text: str) -> str:
    """The user's servers, as `mcptasks serve` takes them, so that they mean the same from any directory.

    Raises:
        DevError: one of the files does not exist.
    """
    for path in paths_in(text):
        if path.is_file and not Path(path.target).is_file():
            what = "is a directory" if Path(path.target).is_dir() else "does not exist"
            raise DevError(f"{path.target} {what}; give the Python file that has your server")
    return absolute(text)


def watched_directories(text: str) -> list[Path]:
    """Where changes matter: beside each file, and in the current directory for modules."""
    return sorted({Path(path.target).parent if path.is_file else Path.cwd() for path in paths_in(text)})


def paths_in(text: str) -> list[ServerPath]:
    """The paths of the servers that the text names."""
    return [mounted.path for mounted in named_in(text)]


@dataclass(eq=False)
class DevLoop:
    """Runs until `stop` is set.

    Args:
        own_log: whether to print what mcptasks itself logs of what goes well, most of which the loop says in its words.
    """

    config: StackConfig
    terminal: DevTerminal
    own_log: bool = False
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    _restarting: bool = field(default=False, init=False)
    _reported_down: bool = field(default=False, init=False)
    _endpoint_printed: bool = field(default=False, init=False)
    _printed: Sequence[Component] = field(default=(), init=False)

    async def run(self) -> None:
        """Start everything, restart the server on changes, end everything.

        Raises:
            DevError: the module has no server or several, so that waiting for changes would be no help.
            StackError, ClusterError, ProcessError: something else cannot start.
        """
        directories = watched_directories(self.config.module)
        self.terminal.note("starting a cluster, the operator and the server")
        stack = LocalStack(replace(self.config, on_output=self._print_output))
        await asyncio.to_thread(stack.open, start=False)
        tail = LogTail(stack.supervisor.log_file(SERVER), self._print_log)
        stopping = asyncio.create_task(self._end_waits(stack))
        kept = contextlib.ExitStack()
        try:
            async with _changes(directories, self.stop) as changes:
                await self._start(stack, tail)
                record = self._record(stack, directories)
                async with self._background(stack, tail):
                    kept.enter_context(DevRecords.of_user(os.environ).kept(record))
                    await self._introduce(stack, record.directories[0], directories)
                    while names := await changes.get():
                        await self._reload(stack, tail, ", ".join(names))
        except ProcessError:
            if not self.stop.is_set():
                raise
        finally:
            kept.close()
            stopping.cancel()
            await asyncio.to_thread(stack.close)

    async def _introduce(self, stack: LocalStack, place: Path, watched: Sequence[Path]) -> None:
        """Print what can be done now: where everything is, and what can be called."""
        await self._add_templates(stack)
        self._print_endpoint(stack)
        self.terminal.result(f"kubeconfig: {stack.kubeconfig}")
        if stack.dashboard_url is not None:
            self.terminal.result(f"dashboard: {stack.dashboard_url}")
        self.terminal.note(
            f"mcptasks get, describe, top, workers, logs, answer, cancel, delete find this cluster in {place}; "
            f"elsewhere: export KUBECONFIG={shlex.quote(str(stack.kubeconfig))}"
        )
        await self._print_components(stack)
        self.terminal.note(f"watching {', '.join(map(str, watched))} for changes; Ctrl-C ends everything")

    @staticmethod
    def _record(stack: LocalStack, directories: Sequence[Path]) -> DevRecord:
        """What tells other commands of this cluster: from the current directory, and from those of the servers."""
        places = [Path.cwd().resolve(), *(directory.resolve() for directory in directories)]
        return DevRecord(
            pid=os.getpid(),
            endpoint=stack.endpoint,
            kubeconfig=stack.kubeconfig,
            directories=list(dict.fromkeys(places)),
        )

    async def _end_waits(self, stack: LocalStack) -> None:
        """Whoever ends the program does not wait until something is ready."""
        await self.stop.wait()
        stack.supervisor.give_up_waiting()

    async def _start(self, stack: LocalStack, tail: LogTail) -> None:
        await asyncio.to_thread(stack.start, "operator", ready_seconds=None)
        try:
            await asyncio.to_thread(stack.start, SERVER)
        except ProcessError as error:
            if error.exit_code is None:
                raise
            if error.exit_code == ExitCode.USAGE:
                raise DevError(_last_line(stack.log(SERVER))) from error
            tail.drain()
            self._reported_down = True
            self.terminal.note("the server did not start; it is started again when a file changes")
        if stack.dashboard_url is not None:
            await asyncio.to_thread(stack.start, DASHBOARD, ready_seconds=None)
        await asyncio.to_thread(stack.supervisor.wait_ready, "operator")
        if stack.dashboard_url is not None:
            await asyncio.to_thread(stack.supervisor.wait_ready, DASHBOARD)

    def _print_endpoint(self, stack: LocalStack) -> None:
        """Print it once, as soon as somebody answers there."""
        if not self._endpoint_printed and stack.supervisor.exit_code(SERVER) is None:
            self._endpoint_printed = True
            self.terminal.result(f"endpoint: {stack.endpoint}")

    async def _print_components(self, stack: LocalStack) -> None:
        """Print what can be called, once and when it has changed. A server that wants a token does not tell."""
        if stack.supervisor.exit_code(SERVER) is not None:
            return
        try:
            async with asyncio.timeout(LIST_SECONDS), Client(stack.endpoint) as client:
                resources = [*await client.list_resources(), *await client.list_resource_templates()]
                found: list[Component] = [*await client.list_tools(), *await client.list_prompts(), *resources]
        except (ClientError, TimeoutError):
            return
        if found != self._printed:
            self._printed = found
            self.terminal.components(stack.endpoint, found)

    async def _reload(self, stack: LocalStack, tail: LogTail, names: str) -> None:
        """Restart the server, unless it runs and the new code would only take it down."""
        if stack.supervisor.exit_code(SERVER) is None and not await self._loads(stack):
            self.terminal.note(
                f"{names} changed and cannot be loaded: the server goes on with the code that it has; tasks that start "
                "now fail. It is restarted when a file changes"
            )
            return
        self.terminal.note(f"{names} changed: restarting the server")
        await asyncio.gather(self._restart(stack, tail), self._renew_workers(stack))

    async def _add_templates(self, stack: LocalStack) -> None:
        """Make the templates that the server's tools name, so that their tasks run here too."""
        added = await asyncio.to_thread(stack.add_named_templates)
        if added:
            what = f"template {added[0]}, a copy" if len(added) == 1 else f"templates {', '.join(added)}, copies"
            self.terminal.note(f"made {what} of default, because tools name what this cluster does not have")

    async def _renew_workers(self, stack: LocalStack) -> None:
        """Have workers made that load the new code; those that run tasks go on until these have ended."""
        digest = await asyncio.to_thread(module_digest, self.config.module)
        async with await ClusterAccess(stack.kubeconfig).connect("mcptasks-dev") as kube:
            for error in await renew_warm_templates(kube, stack.namespace, digest):
                self.terminal.note(f"the workers could not be told of the new code: {error}")

    async def _loads(self, stack: LocalStack) -> bool:
        try:
            code = await asyncio.to_thread(stack.check_module)
        except ProcessError as error:
            if self.stop.is_set():
                raise
            self.terminal.note(str(error))
            return False
        if code != ExitCode.OK:
            for line in stack.log(CHECK).splitlines():
                self.terminal.note(line)
        return code == ExitCode.OK

    async def _restart(self, stack: LocalStack, tail: LogTail) -> None:
        self._restarting = True
        try:
            await asyncio.to_thread(stack.restart, SERVER)
        except ProcessError as error:
            tail.drain()
            self._reported_down = error.exit_code is not None
            why = "ended" if error.exit_code is not None else "is not ready"
            self.terminal.note(f"the server {why}; it is started again when a file changes")
        else:
            await self._add_templates(stack)
            self.terminal.note("the server is ready")
            self._print_endpoint(stack)
            await self._print_components(stack)
        finally:
            self._restarting = False

    @asynccontextmanager
    async def _background(self, stack: LocalStack, tail: LogTail) -> AsyncIterator[None]:
        access = ClusterAccess(stack.kubeconfig)
        async with await access.connect("mcptasks-dev") as kube, asyncio.TaskGroup() as group:
            running = [
                group.create_task(tail.run()),
                group.create_task(self._print_phases(kube, stack.namespace)),
                group.create_task(self._print_crashes(stack, tail)),
            ]
            try:
                yield
            finally:
                for task in running:
                    task.cancel()

    def _print_log(self, line: str) -> None:
        if self.own_log or not _OWN_LOG.match(line):
            self.terminal.note(line)

    def _print_output(self, task_id: str, line: str) -> None:
        if not self.own_log and _OWN_LOG.match(line):
            return
        for part in lines_of(line) or [""]:
            # Our own lines of the log begin with the id as well.
            self.terminal.result(f"[{task_id}] {part.replace(f'[{task_id}] ', '', 1)}")

    async def _print_crashes(self, stack: LocalStack, tail: LogTail) -> None:
        """Say when the server ends on its own."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            code = None if self._restarting else stack.supervisor.exit_code(SERVER)
            if code is not None and not self._reported_down:
                tail.drain()
                self.terminal.note(f"the server ended with exit code {code}; it is started again when a file changes")
            self._reported_down = code is not None

    async def _print_phases(self, kube: KubeClient, namespace: str) -> None:
        """Say how each task stands whenever that changes."""
        seen: dict[str, str] = {}
        while True:
            with contextlib.suppress(KubeError):
                listed = await kube.list(MCP_TASKS, namespace)
                async for event in kube.watch(MCP_TASKS, namespace, resource_version=listed.resource_version):
                    if event.type in ("ADDED", "MODIFIED"):
                        self._print_phase(parse_task(event.object), seen)
            await asyncio.sleep(RETRY_SECONDS)

    def _print_phase(self, task: McpTask, seen: dict[str, str]) -> None:
        reason = task.status.reason
        phase = f"{task.phase} ({reason})" if reason else str(task.phase)
        if seen.get(task.name) == phase:
            return
        seen[task.name] = phase
        says_more = task.terminal and task.status.message and reason != Reason.COMPLETED
        why = f": {task.status.message}" if says_more else ""
        self.terminal.note(f"[{task.name}] is {phase}{why}")


async def renew_warm_templates(kube: KubeClient, namespace: str, digest: str) -> list[KubeError]:
    """Have workers of all warm templates made that load the code of this digest; gives what went wrong.

    Templates that the developer has made are among them, and one that is gone holds up no other.
    """
    failed: list[KubeError] = []
    try:
        templates = (await kube.list(MCP_TASK_TEMPLATES, namespace)).items
    except KubeError as error:
        return [error]
    warm = [item["metadata"]["name"] for item in templates if item["spec"].get("executor") == Executor.WARM]
    for name in warm:
        try:
            await kube.patch(MCP_TASK_TEMPLATES, name, new_code_patch(digest), namespace)
        except NotFoundError:
            continue
        except KubeError as error:
            failed.append(error)
    return failed


@asynccontextmanager
async def _changes(directories: Sequence[Path], stop: asyncio.Event) -> AsyncIterator[asyncio.Queue[list[str]]]:
    """Names of changed Python files from now on; an empty list once `stop` is set."""
    queue: asyncio.Queue[list[str]] = asyncio.Queue()

    async def watch() -> None:
        async for changes in awatch(*directories, watch_filter=SourceFilter(directories), stop_event=stop):
            queue.put_nowait(sorted({Path(changed).name for _, changed in changes}))
        queue.put_nowait([])

    watching = asyncio.create_task(watch())
    # The watch is set up in the task's first step.
    await asyncio.sleep(0)
    try:
        yield queue
    finally:
        stop.set()
        await watching


def _last_line(log: str) -> str:
    lines = log.strip().splitlines() or ["the server gave no reason"]
    return lines[-1].removeprefix("mcptasks serve: ")
