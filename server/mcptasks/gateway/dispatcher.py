"""Hands the tasks that wait to the workers that are connected to this gateway.

Other replicas do the same, each with the workers that it has. What decides is the claim, a write that only one of them
gets done: a worker is told to prepare before it and to run after it, or that it was for nothing. So all that is kept
here may be lost. A worker that connects anew says what it holds, and is told what it has not heard.

What waits is in `waiting_tasks.py`, what workers hold in `connected_workers.py`, what is being claimed in
`claims_in_flight.py`, and who gets what is decided in `handout.py`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mcptasks.gateway.claims_in_flight import ClaimsInFlight
from mcptasks.gateway.connected_workers import ConnectedWorkers
from mcptasks.gateway.contract import HeldAttempt, PrepareOrder, RefusalCode, RunOrder, WithdrawOrder
from mcptasks.gateway.handout import next_order, obstacle
from mcptasks.gateway.known_tasks import KnownTasks, template_of
from mcptasks.gateway.pods import PodIdentity, TaskPod
from mcptasks.gateway.refusals import RefusedError, unavailable
from mcptasks.gateway.task_holding import is_over, is_unaccounted, may_be_claimed
from mcptasks.gateway.template_facts import TemplateFacts, WarmTemplate
from mcptasks.gateway.waiting_tasks import WaitingTasks
from mcptasks.gateway.work_observer import WorkObserver
from mcptasks.gateway.worker_arrival import SharedLook, WorkerArrival
from mcptasks.gateway.worker_claims import WorkerClaims
from mcptasks.gateway.worker_ends import ReportingWorker
from mcptasks.gateway.worker_link import WorkerLink
from mcptasks.gateway.workers import WorkerPod, worker_pod
from mcptasks.kube.watch_cache import WatchCache
from mcptasks.model.base import JsonObject
from mcptasks.tasks.cached_tasks import server_of

logger = logging.getLogger(__name__)

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


class Dispatcher:
    """The workers and the waiting tasks of one server's namespace."""

    def __init__(
        self,
        server: str,
        sources: WorkSources,
        claims: WorkerClaims,
        templates: TemplateFacts,
        tasks: WatchCache,
        observer: WorkObserver,
    ) -> None:
        self._observer = observer
        self._server = server
        self._sources = sources
        self._templates = templates
        self._known = KnownTasks(sources.namespace, tasks)
        self._waiting = WaitingTasks(self._known, self.task_changed)
        self._in_flight = ClaimsInFlight(claims)
        self._workers = ConnectedWorkers(self._known, self._in_flight, self._pump)
        self._arrival = WorkerArrival(
            self._known, claims, self._in_flight, self._workers, SharedLook(self._known, claims)
        )
        self._warm: dict[str, WarmTemplate] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._closing = False
        sources.templates.listen(_Listener(self.template_changed, self.template_deleted))
        sources.workers.listen(_Listener(self.pod_changed, self.pod_deleted))
        tasks.listen(_Listener(self.task_changed, self.task_deleted))

    # --- what the watches tell ---

    def task_changed(self, item: JsonObject, *, watched: bool = False) -> None:
        """A task is new or has changed; what this replica has made itself, it is the first to hand out."""
        uid, template = item["metadata"]["uid"], template_of(item)
        if server_of(item) != self._server:
            return
        is_new = self._known.note(item)
        self._note_claim(item)
        if not may_be_claimed(item) or template not in self._warm:
            self._waiting.remove(item)
            return
        is_due = uid not in self._in_flight and not self._waiting.has_time_to_come(item)
        if is_due and self._waiting.add(item, others_first=is_new and watched):
            self._pump(template)

    def task_deleted(self, item: JsonObject) -> None:
        """A task is gone."""
        self._waiting.remove(item)
        self._known.forget(item["metadata"]["uid"])
        self._workers.task_deleted(item)

    def pod_changed(self, item: JsonObject, *, watched: bool = True) -> None:
        """A worker's Pod is new or has changed."""
        metadata = item["metadata"]
        try:
            pod = worker_pod(item, PodIdentity(metadata["namespace"], metadata["name"], metadata["uid"]))
        except RefusedError as error:
            logger.warning("%s", error)
            return
        self._workers.pod_changed(pod)

    def pod_deleted(self, item: JsonObject) -> None:
        """A worker's Pod is gone."""
        self._workers.pod_deleted(item["metadata"]["uid"])

    def template_changed(self, item: JsonObject, *, watched: bool = True) -> None:
        """A template is new or has changed."""
        name = item["metadata"]["name"]
        before, now = self._warm.get(name), self._templates.warm(name)
        if now is None:
            self.template_deleted(item)
            return
        self._warm[name] = now
        if before is None:
            for task in self._known.of_template(name):
                self.task_changed(task)
        self._pump(name)

    def template_deleted(self, item: JsonObject) -> None:
        """A template is gone, or its tasks run in Pods of their own now."""
        name = item["metadata"]["name"]
        if self._warm.pop(name, None) is not None:
            self._waiting.forget_template(name)

    # --- what workers and callers ask ---

    def connect(self, pod: WorkerPod, module: str, holds: Sequence[HeldAttempt]) -> WorkerLink:
        """Take the worker in, in place of an earlier connection of it. Raises RefusedError."""
        namespace = self._sources.namespace
        if pod.identity.namespace != namespace:
            message = f"this server hands out tasks of namespace {namespace} only, and Pod {pod.name} is in another"
            raise RefusedError(RefusalCode.NOT_A_TASK_POD, f"{message}: workers belong to the server's own namespace")
        if self._closing:
            raise unavailable("this server is stopping: connect to another one")
        link = self._workers.add(pod, module, holds)
        self._run(self._settle(link))
        return link

    def disconnect(self, link: WorkerLink) -> None:
        """The connection is over. What is being claimed for the worker stays claimed."""
        self._workers.remove(link)

    def over(self, pod: TaskPod) -> None:
        """The worker has no process of the attempt left, although the task's status may never say so."""
        self._workers.over(pod)

    def gives_back(self, pod: TaskPod) -> None:
        """The worker gives an attempt back that it has not begun."""
        self._workers.pass_over(pod)

    def facts_of(self, pod: TaskPod) -> ReportingWorker:
        """What is known of a worker that reports how an attempt ended."""
        facts = self._workers.facts_of(pod)
        return replace(facts, template_deleted=bool(facts.template) and self._templates.find(facts.template) is None)

    def is_warm(self, template: str) -> bool:
        """Whether workers run the template's tasks."""
        return template in self._warm

    def ahead_of(self, template: str, uid: str) -> int | None:
        """How many tasks get a worker before this one; None where it does not wait for one."""
        return self._waiting.ahead_of(template, uid)

    def has_room(self, template: str) -> bool:
        """Whether a worker that is connected here would get the template's next task at once."""
        warm, module = self._warm.get(template), self._sources.module
        if self._waiting.line(template) or self._closing:
            return False
        states = map(self._workers.state, self._workers.ready_for(template).values())
        return any(obstacle(state, warm, module) is None for state in states)

    async def aclose(self) -> None:
        """Hand out nothing more, have claims that are on their way told, and let the workers go elsewhere."""
        self._closing = True
        if self._background:
            await asyncio.wait(set(self._background), timeout=CLOSING_SECONDS)
        for task in self._background:
            task.cancel()
        self._workers.close()
        self._waiting.close()

    # --- handing out ---

    def _pump(self, template: str) -> None:
        """Hand out what can be handed out of the template's tasks."""
        line = self._waiting.line(template)
        while line and not self._closing:
            links = self._workers.ready_for(template)
            states = [self._workers.state(link) for link in links.values()]
            found = next_order(line, states, self._warm.get(template), self._sources.module)
            if found is None:
                return
            task, state = found
            line.serve(task.uid)
            item = self._known.named(task.name, task.uid)
            if item is not None and may_be_claimed(item):
                self._hand_out(item, links[state.pod.uid], time.monotonic() - task.since)

    def _hand_out(self, item: JsonObject, link: WorkerLink, waited: float) -> None:
        uid = item["metadata"]["uid"]
        link.held[uid] = None
        link.send(PrepareOrder(task_id=item["metadata"]["name"], uid=uid))
        self._in_flight.begin(uid, link.pod)
        self._run(self._claim(item, link.pod, waited))

    async def _claim(self, item: JsonObject, pod: WorkerPod, waited: float) -> None:
        uid = item["metadata"]["uid"]
        order: RunOrder | WithdrawOrder = WithdrawOrder(uid=uid)
        try:
            end = await self._in_flight.written(item, pod, lambda: self._workers.is_connected(pod.uid))
            order = end.order
            if isinstance(order, RunOrder):
                self._observer.handed_out(pod.template, waited)
            if end.look_again_after is not None:
                self._waiting.look_again(item, end.look_again_after)
        finally:
            self._in_flight.end(uid)
            self._workers.tell(pod, order)
        known = self._known.get(uid)
        if isinstance(order, RunOrder) and known is not None and may_be_claimed(known):
            # It was released before the answer to its claim was here, and waits again.
            self.task_changed(known)

    # --- what workers hold ---

    def _note_claim(self, item: JsonObject) -> None:
        """Take in whose the task is, and see to it that its worker hears of what it does not have as its own."""
        uid, link = item["metadata"]["uid"], self._workers.note_claim(item)
        if link is None or not self._workers.is_ready(link) or uid in link.held or uid in self._in_flight:
            return
        if is_unaccounted(item):
            # Only when it connects it is known for certain what it has: another replica may have given it this one.
            link.close()
        elif not is_over(item):
            self._run(self._arrival.repeat(link, item["metadata"]["name"], uid))

    async def _settle(self, link: WorkerLink) -> None:
        await self._arrival.settle(link)
        if link.closed:
            return
        self._workers.ready(link)
        warm = self._warm.get(link.pod.template)
        why = obstacle(self._workers.state(link), warm, self._sources.module)
        logger.info("worker %s is here%s", link.pod.name, f" and gets no tasks: {why}" if why else "")
        self._pump(link.pod.template)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
