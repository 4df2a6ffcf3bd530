"""Who gets which task next: decisions about the workers of one gateway and the tasks of one template. No I/O."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from mcptasks.gateway.template_facts import WarmTemplate
from mcptasks.gateway.workers import WorkerPod

NEVER_SERVED = -1


@dataclass(frozen=True, slots=True, order=True)
class WaitingTask:
    """A task that waits for a worker; the oldest sorts first. `caller` is compared by identity of the principal.

    `since` is a monotonic time.
    """

    created_at: datetime
    name: str
    uid: str = field(compare=False)
    caller: Hashable = field(compare=False)
    since: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker that is connected. `taken` is how many tasks it has ever been given, `free_since` a monotonic time."""

    pod: WorkerPod
    module: str
    held: int = 0
    taken: int = 0
    free_since: float = 0.0


@dataclass
class WaitingLine:
    """The tasks of one template that wait: oldest first, and turn by turn of their callers."""

    _tasks: dict[Hashable, list[WaitingTask]] = field(default_factory=dict)
    _by_uid: dict[str, WaitingTask] = field(default_factory=dict)
    _turns: dict[Hashable, int] = field(default_factory=dict)
    _served: int = 0

    def __len__(self) -> int:
        return len(self._by_uid)

    def add(self, task: WaitingTask) -> None:
        """Let the task wait; nothing where it does already."""
        if task.uid not in self._by_uid:
            self._by_uid[task.uid] = task
            insort(self._tasks.setdefault(task.caller, []), task)

    def remove(self, uid: str) -> None:
        """The task waits no more; nothing where it does not."""
        task = self._by_uid.pop(uid, None)
        if task is None:
            return
        waiting = self._tasks[task.caller]
        del waiting[bisect_left(waiting, task)]
        if not waiting:
            del self._tasks[task.caller]
            self._forget_turns()

    def _forget_turns(self) -> None:
        """Whoever comes back is first again once all who wait have had a turn since its last one.

        Not before: two callers with one task at a time each would always come before a third one with many.
        """
        oldest = min(map(self._turn, self._tasks), default=None)
        self._turns = {
            caller: turn
            for caller, turn in self._turns.items()
            if caller in self._tasks or (oldest is not None and turn > oldest)
        }

    def first(self) -> WaitingTask | None:
        """The oldest task of the caller whose last turn is longest ago."""
        heads = (waiting[0] for waiting in self._tasks.values())
        return min(heads, key=lambda task: (self._turn(task.caller), task), default=None)

    def serve(self, uid: str) -> None:
        """The task has got a worker: it was its caller's turn. Nothing where it does not wait."""
        task = self._by_uid.get(uid)
        if task is not None:
            self._turns[task.caller] = self._served
            self._served += 1
            self.remove(uid)

    def ahead_of(self, uid: str) -> int | None:
        """How many of the tasks get a worker before this one; None where it does not wait."""
        task = self._by_uid.get(uid)
        if task is None:
            return None
        own = bisect_left(self._tasks[task.caller], task)
        turn, head = self._turn(task.caller), self._tasks[task.caller][0]
        ahead = own
        for caller, waiting in self._tasks.items():
            if caller != task.caller:
                is_before = (self._turn(caller), waiting[0]) < (turn, head)
                ahead += min(len(waiting), own + is_before)
        return ahead

    def _turn(self, caller: Hashable) -> int:
        return self._turns.get(caller, NEVER_SERVED)


def obstacle(worker: WorkerState, template: WarmTemplate | None, module: str) -> str | None:
    """Why the worker gets no task of its template now; None where it may.

    `module` is the digest of the code that this server has loaded. A worker of other code would run something else.
    """
    pod = worker.pod
    if worker.module != module:
        return "it runs other code than this server"
    if template is None or pod.template_uid != template.uid:
        return f"McpTaskTemplate {pod.template} is gone, or its workers are no longer wanted"
    if pod.template_hash != template.worker_hash:
        return f"it was made from an earlier McpTaskTemplate {pod.template}"
    if pod.leaving:
        return "its Pod is leaving"
    if is_used_up(worker):
        return f"it has had its {pod.tasks} tasks"
    if worker.held >= pod.concurrency:
        return f"it runs {worker.held} tasks"
    return None


def is_used_up(worker: WorkerState) -> bool:
    """Whether the worker has been given as many tasks as it may ever have."""
    return worker.pod.tasks > 0 and worker.taken >= worker.pod.tasks


def next_order(
    line: WaitingLine, workers: Iterable[WorkerState], template: WarmTemplate | None, module: str
) -> tuple[WaitingTask, WorkerState] | None:
    """The next task and the worker that gets it; None where none waits or no worker may take one.

    Of several workers the one with the fewest tasks gets it, and of those the one that was free last: a pool that has
    more than it needs can see which ones those are.
    """
    task = line.first()
    if task is None:
        return None
    free = (worker for worker in workers if obstacle(worker, template, module) is None)
    worker = min(free, key=lambda worker: (worker.held, -worker.free_since), default=None)
    return None if worker is None else (task, worker)
