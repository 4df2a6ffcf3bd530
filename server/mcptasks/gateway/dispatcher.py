"""Hands the tasks that wait to the workers that are connected to this gateway.

Other replicas do the same, each with the workers that it has. What decides is the claim, a write that only one of them
gets done: a worker is told to prepare before it and to run after it, or that it was for nothing. So all that is kept
here may be lost. A worker that connects anew says what it holds, and is told what it has not heard.

A worker's slot is free again when its task has ended and no process is left, as the task's status says.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mcptasks.gateway.claims import RivalChangedError
from mcptasks.gateway.contract import DrainOrder, HeldAttempt, PrepareOrder, RefusalCode, RunOrder, WithdrawOrder
from mcptasks.gateway.handout import WaitingLine, WaitingTask, is_used_up, next_order, obstacle
from mcptasks.gateway.pods import PodIdentity, TaskPod
from mcptasks.gateway.refusals import RefusedError, unavailable
from mcptasks.gateway.task_holding import Holding, claim_of, ending_message, holding, is_over, may_be_claimed
from mcptasks.gateway.template_facts import TemplateFacts, WarmTemplate
from mcptasks.gateway.worker_claims import RETRY_SECONDS, WorkerClaims
from mcptasks.gateway.worker_ends import ReportingWorker
from mcptasks.gateway.worker_link import WorkerLink
from mcptasks.gateway.workers import WorkerPod, worker_pod
from mcptasks.kube.errors import KubeError, NotFoundError, UnavailableError
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import utc_now
from mcptasks.model.task import McpTask
from mcptasks.tasks.cached_tasks import server_of
from mcptasks.tasks.owners import owner_of

logger = logging.getLogger(__name__)

OTHERS_FIRST_SECONDS = 0.05
"""How long a new task of another replica is left to that one, which hands it out itself if it can."""

LET_GO_SECONDS = 60.0
"""How long the slot of a deleted task counts as taken where its worker does not report."""

REFUSED_PAUSE_SECONDS = 5.0
"""How long a task waits whose claim the API server refuses."""

NOT_CLAIMED_PAUSE_SECONDS = 1.0
"""When a task is looked at again that another worker has claimed: it may have been released before that was known."""

CLOSING_SECONDS = 5.0


@dataclass(frozen=True)
class WorkSources:
    """What handing out rests on besides the tasks: `module` is the digest of the code that this server has loaded."""

    namespace: str
    module: str
    templates: WatchCache
    workers: WatchCache


@dataclass(frozen=True)
class _Listener:
    on_change: Callable[..., None]
    on_deletion: Callable[[JsonObject], None]

    def changed(self, item: JsonObject, *, watched: bool) -> None:
        self.on_change(item, watched=watched)

    def deleted(self, item: JsonObject) -> None:
        self.on_deletion(item)


@dataclass(eq=False)
class Dispatcher:
    """The workers and the waiting tasks of one server's namespace."""

    server: str
    sources: WorkSources
    claims: WorkerClaims
    templates: TemplateFacts
    tasks: WatchCache
    _warm: dict[str, WarmTemplate] = field(default_factory=dict)
    _lines: defaultdict[str, WaitingLine] = field(default_factory=lambda: defaultdict(WaitingLine))
    _links: dict[str, WorkerLink] = field(default_factory=dict)
    _ready: set[WorkerLink] = field(default_factory=set)
    _pods: dict[str, WorkerPod] = field(default_factory=dict)
    _taken: defaultdict[str, set[HeldAttempt]] = field(default_factory=lambda: defaultdict(set))
    _claiming: dict[str, str] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    _timers: dict[str, asyncio.TimerHandle] = field(default_factory=dict)
    _background: set[asyncio.Task[None]] = field(default_factory=set)
    _closing: bool = False

    def __post_init__(self) -> None:
        self.sources.templates.listen(_Listener(self.template_changed, self.template_deleted))
        self.sources.workers.listen(_Listener(self.pod_changed, self.pod_deleted))
        self.tasks.listen(_Listener(self.task_changed, self.task_deleted))

    # --- what the watches tell ---

    def task_changed(self, item: JsonObject, *, watched: bool = False) -> None:
        """A task is new or has changed; what this replica has made itself, it is the first to hand out."""
        uid, name = item["metadata"]["uid"], item["metadata"]["name"]
        if server_of(item) != self.server:
            return
        is_new = uid not in self._names
        self._names[uid] = name
        self._note_claim(item)
        if not may_be_claimed(item) or self._template_of(item) not in self._warm:
            self._wait_no_more(item)
            return
        has_failed = bool((item.get("status") or {}).get("retryAfter"))
        if uid not in self._claiming and (has_failed or uid not in self._timers):
            self._let_wait(item, others_first=is_new and watched)

    def task_deleted(self, item: JsonObject) -> None:
        """A task is gone."""
        uid = item["metadata"]["uid"]
        self._wait_no_more(item)
        self._names.pop(uid, None)
        claimed = claim_of(item)
        if claimed is not None and claimed[0] not in self._pods:
            self._taken.pop(claimed[0], None)
        for link in self._holders(uid):
            link.end(uid, link.held[uid] or 0, "the task has been deleted")
            asyncio.get_running_loop().call_later(LET_GO_SECONDS, self._let_go, link, uid)

    def pod_changed(self, item: JsonObject, *, watched: bool = True) -> None:
        """A worker's Pod is new or has changed."""
        metadata = item["metadata"]
        try:
            pod = worker_pod(item, PodIdentity(metadata["namespace"], metadata["name"], metadata["uid"]))
        except RefusedError as error:
            logger.warning("%s", error)
            return
        self._pods[pod.uid] = pod
        link = self._links.get(pod.uid)
        if link is not None:
            link.pod = pod
            self._drain_if_due(link)
            self._pump(pod.template)

    def pod_deleted(self, item: JsonObject) -> None:
        """A worker's Pod is gone."""
        uid = item["metadata"]["uid"]
        self._pods.pop(uid, None)
        self._taken.pop(uid, None)
        link = self._links.get(uid)
        if link is not None:
            link.close()

    def template_changed(self, item: JsonObject, *, watched: bool = True) -> None:
        """A template is new or has changed."""
        name = item["metadata"]["name"]
        before, now = self._warm.get(name), self.templates.warm(name)
        if now is None:
            self.template_deleted(item)
            return
        self._warm[name] = now
        if before is None:
            for task in self._tasks_of(name):
                self.task_changed(task)
        self._pump(name)

    def template_deleted(self, item: JsonObject) -> None:
        """A template is gone, or its tasks run in Pods of their own now."""
        name = item["metadata"]["name"]
        if self._warm.pop(name, None) is not None:
            for task in self._tasks_of(name):
                self._wait_no_more(task)
            self._lines.pop(name, None)

    # --- what workers and callers ask ---

    def connect(self, pod: WorkerPod, module: str, holds: Sequence[HeldAttempt]) -> WorkerLink:
        """Take the worker in, in place of an earlier connection of it. Raises RefusedError."""
        namespace = self.sources.namespace
        if pod.identity.namespace != namespace:
            message = f"this server hands out tasks of namespace {namespace} only, and Pod {pod.name} is in another"
            raise RefusedError(RefusalCode.NOT_A_TASK_POD, f"{message}: workers belong to the server's own namespace")
        if self._closing:
            raise unavailable("this server is stopping: connect to another one")
        link = WorkerLink(self._pods.get(pod.uid, pod), module, {held.uid: held.attempt for held in holds})
        link.held |= {uid: None for uid, claimant in self._claiming.items() if claimant == pod.uid}
        earlier = self._links.get(pod.uid)
        self._links[pod.uid] = link
        if earlier is not None:
            earlier.close()
        self._run(self._settle(link))
        return link

    def disconnect(self, link: WorkerLink) -> None:
        """The connection is over. What is being claimed for the worker stays claimed."""
        self._ready.discard(link)
        if self._links.get(link.pod.uid) is link:
            del self._links[link.pod.uid]

    def over(self, pod: TaskPod) -> None:
        """The worker has no process of the attempt left, although the task's status may never say so."""
        link = self._links.get(pod.uid)
        if link is not None and link.held.get(pod.task_uid) == pod.attempt:
            self._let_go(link, pod.task_uid)

    def facts_of(self, pod: TaskPod) -> ReportingWorker:
        """What is known of a worker that reports how an attempt ended."""
        known = self._pods.get(pod.uid)
        if known is None:
            return ReportingWorker(pod.name, pod.node_name, "")
        return ReportingWorker(known.name, known.node_name, known.template, known.memory_limit, known.disruption)

    def is_warm(self, template: str) -> bool:
        """Whether workers run the template's tasks."""
        return template in self._warm

    def ahead_of(self, template: str, uid: str) -> int | None:
        """How many tasks get a worker before this one; None where it does not wait for one."""
        line = self._lines.get(template)
        return None if line is None else line.ahead_of(uid)

    async def aclose(self) -> None:
        """Hand out nothing more, have claims that are on their way told, and let the workers go elsewhere."""
        self._closing = True
        if self._background:
            await asyncio.wait(set(self._background), timeout=CLOSING_SECONDS)
        for task in self._background:
            task.cancel()
        for link in list(self._links.values()):
            link.close()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    # --- waiting ---

    def _let_wait(self, item: JsonObject, *, others_first: bool) -> None:
        uid, status = item["metadata"]["uid"], item.get("status") or {}
        seconds = 0.0
        if status.get("retryAfter"):
            seconds = (datetime.fromisoformat(status["retryAfter"]) - utc_now()).total_seconds()
        elif others_first:
            seconds = OTHERS_FIRST_SECONDS
        if seconds > 0:
            self._look_again(item, seconds)
            return
        template = self._template_of(item)
        metadata = item["metadata"]
        created = datetime.fromisoformat(metadata["creationTimestamp"])
        self._lines[template].add(WaitingTask(created, metadata["name"], uid, owner_of(item)))
        self._pump(template)

    def _look_again(self, item: JsonObject, seconds: float) -> None:
        metadata = item["metadata"]

        def look() -> None:
            self._timers.pop(metadata["uid"], None)
            known = self.tasks.get(metadata["namespace"], metadata["name"])
            if known is not None and known["metadata"]["uid"] == metadata["uid"]:
                self.task_changed(known)

        self._forget_timer(metadata["uid"])
        self._timers[metadata["uid"]] = asyncio.get_running_loop().call_later(seconds, look)

    def _wait_no_more(self, item: JsonObject) -> None:
        uid = item["metadata"]["uid"]
        self._forget_timer(uid)
        line = self._lines.get(self._template_of(item))
        if line is not None:
            line.remove(uid)

    def _forget_timer(self, uid: str) -> None:
        timer = self._timers.pop(uid, None)
        if timer is not None:
            timer.cancel()

    # --- handing out ---

    def _pump(self, template: str) -> None:
        """Hand out what can be handed out of the template's tasks."""
        line = self._lines.get(template)
        while line and not self._closing:
            links = {link.pod.uid: link for link in self._ready if link.pod.template == template}
            states = [link.state(self._taken_by(uid)) for uid, link in links.items()]
            found = next_order(line, states, self._warm.get(template), self.sources.module)
            if found is None:
                return
            task, state = found
            line.serve(task)
            item = self.tasks.get(self.sources.namespace, task.name)
            if item is not None and item["metadata"]["uid"] == task.uid and may_be_claimed(item):
                self._hand_out(item, links[state.pod.uid])

    def _hand_out(self, item: JsonObject, link: WorkerLink) -> None:
        uid = item["metadata"]["uid"]
        link.held[uid] = None
        link.send(PrepareOrder(task_id=item["metadata"]["name"], uid=uid))
        self._claiming[uid] = link.pod.uid
        self._run(self._claim(item, link.pod))

    async def _claim(self, item: JsonObject, pod: WorkerPod) -> None:
        uid = item["metadata"]["uid"]
        order: RunOrder | WithdrawOrder = WithdrawOrder(uid=uid)
        try:
            assignment = await self.claims.claim(item, pod)
            order = RunOrder(uid=uid, assignment=assignment)
            logger.info("attempt %s of task %s runs in worker %s", assignment.attempt, assignment.task_id, pod.name)
        except (RivalChangedError, RefusedError) as error:
            logger.info("task %s is not handed to worker %s: %s", item["metadata"]["name"], pod.name, error)
            # What the watch has told of it meanwhile has let nobody wait.
            self._look_again(item, NOT_CLAIMED_PAUSE_SECONDS)
        except KubeError as error:
            logger.error("the claim of task %s is refused: %s", item["metadata"]["name"], error)
            self._look_again(item, REFUSED_PAUSE_SECONDS)
        finally:
            self._claiming.pop(uid, None)
            self._tell(pod, order)

    def _tell(self, pod: WorkerPod, order: RunOrder | WithdrawOrder) -> None:
        """Tell the worker what became of a claim, on the connection that it has now."""
        link = self._links.get(pod.uid)
        if link is None:
            return
        link.send(order)
        if isinstance(order, RunOrder):
            self._run_by(link, order.uid, order.assignment.attempt)
        else:
            self._let_go(link, order.uid)

    def _run_by(self, link: WorkerLink, uid: str, attempt: int) -> None:
        link.held[uid] = attempt
        if link.pod.tasks:
            self._taken[link.pod.uid].add(HeldAttempt(uid, attempt))
        self._drain_if_due(link)
        known = self._known(uid)
        if known is None:
            link.end(uid, attempt, "the task has been deleted")
        else:
            self._review(link, known)

    def _drain_if_due(self, link: WorkerLink) -> None:
        if not link.told_to_drain and (link.pod.leaving or is_used_up(link.state(self._taken_by(link.pod.uid)))):
            link.told_to_drain = True
            link.send(DrainOrder())

    def _taken_by(self, pod_uid: str) -> int:
        claiming = sum(1 for claimant in self._claiming.values() if claimant == pod_uid)
        return len(self._taken.get(pod_uid, ())) + claiming

    # --- what workers hold ---

    def _note_claim(self, item: JsonObject) -> None:
        """Take in whose the task is, and tell workers what follows from it."""
        uid, claimed = item["metadata"]["uid"], claim_of(item)
        for holding_link in self._holders(uid):
            self._review(holding_link, item)
        if claimed is None:
            return
        pod_uid, attempt = claimed
        pod = self._pods.get(pod_uid)
        if pod is None or pod.tasks:
            self._taken[pod_uid].add(HeldAttempt(uid, attempt))
        link = self._links.get(pod_uid)
        if (
            link is not None
            and link in self._ready
            and uid not in link.held
            and uid not in self._claiming
            and not is_over(item)
        ):
            self._run(self._repeat(link, item["metadata"]["name"], uid))

    def _review(self, link: WorkerLink, item: JsonObject) -> None:
        """Tell the worker what has become of a task that it holds."""
        uid = item["metadata"]["uid"]
        attempt = link.held.get(uid)
        if attempt is None:
            return
        match holding(item, link.pod.uid, attempt):
            case Holding.OVER:
                link.end(uid, attempt, ending_message(item))
            case Holding.LOST:
                link.end(uid, attempt, "the attempt is over, and the task is not this worker's any more")
                self._let_go(link, uid)
            case Holding.DONE:
                self._let_go(link, uid)
            case Holding.RUNS:
                return

    def _let_go(self, link: WorkerLink, uid: str) -> None:
        link.free(uid)
        self._pump(link.pod.template)

    async def _settle(self, link: WorkerLink) -> None:
        """Find out what the worker has been given and does not name, and what it names and has lost."""
        attempts = [HeldAttempt(uid, attempt) for uid, attempt in link.held.items() if attempt is not None]
        if not await self._all_known(attempts):
            # What cannot be looked up goes on: it may be a task that this replica has not heard of yet.
            attempts = [held for held in attempts if held.uid in self._names]
        for held in attempts:
            name = self._names.get(held.uid)
            known = None if name is None else await self._refreshed(name)
            if known is None or known["metadata"]["uid"] != held.uid:
                link.end(held.uid, held.attempt, "there is no such task any more")
            else:
                self._review(link, known)
        for uid, name in self._claimed_by(link.pod.uid):
            if uid not in link.held:
                await self._repeat(link, name, uid)
        if link.closed:
            return
        self._ready.add(link)
        self._drain_if_due(link)
        why = obstacle(link.state(self._taken_by(link.pod.uid)), self._warm.get(link.pod.template), self.sources.module)
        logger.info("worker %s is here%s", link.pod.name, f" and gets no tasks: {why}" if why else "")
        self._pump(link.pod.template)

    async def _all_known(self, attempts: Sequence[HeldAttempt]) -> bool:
        """Hear of tasks that this replica does not know; gives whether the rest of them are gone for certain."""
        if all(held.uid in self._names for held in attempts):
            return True
        for pause in (*RETRY_SECONDS, None):
            try:
                for item in await self.claims.all(self.sources.namespace):
                    self.tasks.add(item)
            except KubeError:
                if pause is not None:
                    await asyncio.sleep(pause)
            else:
                return True
        return False

    async def _refreshed(self, name: str) -> JsonObject | None:
        """The task as it is now, or as it is known where the API server does not answer; None where it is gone."""
        for pause in (*RETRY_SECONDS, None):
            try:
                item = await self.claims.read(self.sources.namespace, name)
            except NotFoundError:
                return None
            except KubeError:
                if pause is not None:
                    await asyncio.sleep(pause)
            else:
                self.tasks.add(item)
                return item
        return self.tasks.get(self.sources.namespace, name)

    async def _repeat(self, link: WorkerLink, name: str, uid: str) -> None:
        """Tell the worker again to run what it has claimed, if that is still so."""
        if uid in link.held:
            return
        link.held[uid] = None
        try:
            task = await self._claimed_by_it(link, name, uid)
            if task is not None:
                order = RunOrder(uid=uid, assignment=self.claims.repeated(task, link.pod))
                link.send(order)
                self._run_by(link, uid, order.assignment.attempt)
        except (RefusedError, KubeError) as error:
            logger.warning("cannot repeat task %s to worker %s: %s", name, link.pod.name, error)
        if link.held.get(uid, 0) is None:
            self._let_go(link, uid)

    async def _claimed_by_it(self, link: WorkerLink, name: str, uid: str) -> McpTask | None:
        """As `WorkerClaims.claimed_by`. Asks until the API server can be reached: nothing else would ask again."""
        failures = 0
        while True:
            try:
                return await self.claims.claimed_by(link.pod, name, uid)
            except UnavailableError:
                if link.closed:
                    raise
                await asyncio.sleep(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
                failures += 1

    def _holders(self, uid: str) -> list[WorkerLink]:
        return [link for link in self._links.values() if uid in link.held]

    def _claimed_by(self, pod_uid: str) -> list[tuple[str, str]]:
        """Uids and names of the tasks that the worker runs as far as is known, besides those being claimed now."""
        return [
            (item["metadata"]["uid"], item["metadata"]["name"])
            for item in self.tasks.values()
            if (claimed := claim_of(item)) is not None
            and claimed[0] == pod_uid
            and not is_over(item)
            and item["metadata"]["uid"] not in self._claiming
        ]

    def _known(self, uid: str) -> JsonObject | None:
        name = self._names.get(uid)
        item = None if name is None else self.tasks.get(self.sources.namespace, name)
        return item if item is not None and item["metadata"]["uid"] == uid else None

    def _tasks_of(self, template: str) -> Iterable[JsonObject]:
        return [item for item in self.tasks.values() if self._template_of(item) == template]

    @staticmethod
    def _template_of(item: JsonObject) -> str:
        return str((item["spec"].get("templateRef") or {}).get("name") or "default")

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
