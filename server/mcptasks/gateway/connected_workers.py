"""The workers that are connected to this gateway, what each of them holds, and how much each has been given.

A worker's slot is free again when its task has ended and no process is left, as the task's status says.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mcptasks.gateway.claims_in_flight import ClaimsInFlight
from mcptasks.gateway.contract import DrainOrder, HeldAttempt, PrepareOrder, RefusalCode, RunOrder, WithdrawOrder
from mcptasks.gateway.handout import WorkerState, is_used_up
from mcptasks.gateway.known_tasks import KnownTasks
from mcptasks.gateway.pod_tokens import remember
from mcptasks.gateway.pods import TaskPod
from mcptasks.gateway.refusals import RefusedError
from mcptasks.gateway.task_holding import Holding, claim_of, ending_message, holding
from mcptasks.gateway.worker_ends import ReportingWorker
from mcptasks.gateway.worker_link import WorkerLink
from mcptasks.gateway.workers import WorkerPod
from mcptasks.model.base import JsonObject

FIRST_PASSED_OVER_SECONDS = 1.0
MAX_PASSED_OVER_SECONDS = 300.0
"""For how long a worker that gives a task back gets no other one; twice as long each time."""

LET_GO_SECONDS = 60.0


@dataclass(eq=False)
class ConnectedWorkers:
    """Belongs to the loop of its gateway. `on_room` is called with the template of a worker that has room again.

    `let_go_seconds`: how long the slot of a deleted task counts as taken where its worker does not report.
    """

    known: KnownTasks
    in_flight: ClaimsInFlight
    on_room: Callable[[str], None]
    let_go_seconds: float = LET_GO_SECONDS
    _links: dict[str, WorkerLink] = field(default_factory=dict)
    _ready: set[WorkerLink] = field(default_factory=set)
    _pods: dict[str, WorkerPod] = field(default_factory=dict)
    _gone: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _given: defaultdict[str, set[HeldAttempt]] = field(default_factory=lambda: defaultdict(set))
    _given_back: Counter[str] = field(default_factory=Counter)
    _passed_over: dict[str, asyncio.TimerHandle] = field(default_factory=dict)

    # --- Pods and their connections ---

    def pod_changed(self, pod: WorkerPod) -> None:
        """A worker's Pod is new or has changed."""
        self._pods[pod.uid] = pod
        self._gone.pop(pod.uid, None)
        link = self._links.get(pod.uid)
        if link is not None:
            link.pod = pod
            self.drain_if_due(link)
            self.on_room(pod.template)

    def pod_deleted(self, uid: str) -> None:
        """A worker's Pod is gone."""
        self._pods.pop(uid, None)
        self._given.pop(uid, None)
        self._given_back.pop(uid, None)
        remember(self._gone, uid, None)
        link = self._links.get(uid)
        if link is not None:
            # Before anybody hears that there is room: it is to get nothing more.
            link.close()
        self._come_back(uid)

    def facts_of(self, pod: TaskPod) -> ReportingWorker:
        """What is known of a worker that reports how an attempt ended."""
        known = self._pods.get(pod.uid)
        if known is None:
            return ReportingWorker(pod.name, pod.node_name, "")
        return ReportingWorker(known.name, known.node_name, known.template, known.memory_limit, known.disruption)

    def add(self, pod: WorkerPod, module: str, holds: Sequence[HeldAttempt]) -> WorkerLink:
        """Take the worker in, in place of an earlier connection of it. It gets no task before it is `ready`.

        It hears at once of what is being claimed for it: what it was told before is void, and it would not wait for it.

        Raises:
            RefusedError: its Pod has been deleted, although its process may not have ended yet.
        """
        if pod.uid in self._gone:
            raise RefusedError(RefusalCode.NOT_A_TASK_POD, f"Pod {pod.name} has been deleted")
        link = WorkerLink(self._pods.get(pod.uid, pod), module, {held.uid: held.attempt for held in holds})
        for uid in self.in_flight.of(pod.uid):
            link.held[uid] = None
            if (name := self.known.name_of(uid)) is not None:
                link.send(PrepareOrder(task_id=name, uid=uid))
        earlier = self._links.get(pod.uid)
        self._links[pod.uid] = link
        if earlier is not None:
            earlier.close()
        return link

    def ready(self, link: WorkerLink) -> None:
        """What the worker holds is known: it may get tasks from now on."""
        self._ready.add(link)
        self.drain_if_due(link)

    def is_ready(self, link: WorkerLink) -> bool:
        """Whether it may get tasks."""
        return link in self._ready and not link.closed

    def remove(self, link: WorkerLink) -> None:
        """The connection is over."""
        self._ready.discard(link)
        if self._links.get(link.pod.uid) is link:
            del self._links[link.pod.uid]

    def is_connected(self, pod_uid: str) -> bool:
        """Whether the worker has a connection that goes on."""
        link = self._links.get(pod_uid)
        return link is not None and not link.closed

    def close(self) -> None:
        """Let the workers go elsewhere."""
        for timer in self._passed_over.values():
            timer.cancel()
        self._passed_over.clear()
        for link in list(self._links.values()):
            link.close()

    # --- what they may get ---

    def ready_for(self, template: str) -> dict[str, WorkerLink]:
        """The workers of a template, by their Pods' uids."""
        return {
            link.pod.uid: link
            for link in self._ready
            if link.pod.template == template and not link.closed and link.pod.uid not in self._passed_over
        }

    def pass_over(self, pod: TaskPod) -> None:
        """Give the worker nothing for a while: it gives back what it was handed, and would get it again at once."""
        count = self._given_back[pod.uid]
        self._given_back[pod.uid] = count + 1
        seconds = min(FIRST_PASSED_OVER_SECONDS * 2 ** min(count, 10), MAX_PASSED_OVER_SECONDS)
        if (earlier := self._passed_over.pop(pod.uid, None)) is not None:
            earlier.cancel()
        self._passed_over[pod.uid] = asyncio.get_running_loop().call_later(seconds, self._come_back, pod.uid)

    def _come_back(self, uid: str) -> None:
        timer = self._passed_over.pop(uid, None)
        if timer is not None:
            timer.cancel()
        link = self._links.get(uid)
        if link is not None:
            self.on_room(link.pod.template)

    def state(self, link: WorkerLink) -> WorkerState:
        """What a decision about the worker rests on."""
        given = len(self._given.get(link.pod.uid, ())) + len(self.in_flight.of(link.pod.uid))
        return link.state(given)

    def drain_if_due(self, link: WorkerLink) -> None:
        """Tell the worker once that it gets nothing new."""
        if not link.told_to_drain and (link.pod.leaving or is_used_up(self.state(link))):
            link.told_to_drain = True
            link.send(DrainOrder())

    # --- what they hold ---

    def tell(self, pod: WorkerPod, order: RunOrder | WithdrawOrder) -> None:
        """Tell the worker what became of a claim, on the connection that it has now."""
        link = self._links.get(pod.uid)
        if link is None:
            return
        link.send(order)
        if isinstance(order, RunOrder):
            self.runs(link, order.uid, order.assignment.attempt)
        else:
            self.let_go(link, order.uid)

    def runs(self, link: WorkerLink, uid: str, attempt: int) -> None:
        """The worker has been told to run the attempt."""
        link.held[uid] = attempt
        if link.pod.tasks:
            self._given[link.pod.uid].add(HeldAttempt(uid, attempt))
        self.drain_if_due(link)
        known = self.known.get(uid)
        if known is None:
            self.end_deleted(link, uid)
        else:
            self.review(link, known)

    def note_claim(self, item: JsonObject) -> WorkerLink | None:
        """Take in whose the task is, and tell workers what follows from it; gives the connection of whose it is."""
        uid, claimed = item["metadata"]["uid"], claim_of(item)
        for link in self._holders(uid):
            self.review(link, item)
        if claimed is None:
            return None
        pod_uid, attempt = claimed
        pod = self._pods.get(pod_uid)
        if pod_uid not in self._gone and (pod is None or pod.tasks):
            self._given[pod_uid].add(HeldAttempt(uid, attempt))
        return self._links.get(pod_uid)

    def task_deleted(self, item: JsonObject) -> None:
        """A task is gone."""
        uid, claimed = item["metadata"]["uid"], claim_of(item)
        if claimed is not None and claimed[0] not in self._pods:
            self._given.pop(claimed[0], None)
        for link in self._holders(uid):
            self.end_deleted(link, uid)

    def end_deleted(self, link: WorkerLink, uid: str) -> None:
        """Tell the worker to end what it holds of a task that is not there any more.

        What is being claimed has no number yet by which it could be ended: it is when the worker is told to run it. The
        outcome may go to another replica, where nobody waits for it, and no status will ever say that it is over.
        """
        attempt = link.held.get(uid)
        if attempt is not None:
            link.end(uid, attempt, "the task has been deleted")
            asyncio.get_running_loop().call_later(self.let_go_seconds, self.let_go, link, uid)

    def over(self, pod: TaskPod) -> None:
        """The worker has no process of the attempt left, although the task's status may never say so."""
        link = self._links.get(pod.uid)
        if link is not None and link.held.get(pod.task_uid) == pod.attempt:
            self.let_go(link, pod.task_uid)

    def review(self, link: WorkerLink, item: JsonObject) -> None:
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
                self.let_go(link, uid)
            case Holding.DONE:
                self.let_go(link, uid)
            case Holding.RUNS:
                return

    def let_go(self, link: WorkerLink, uid: str) -> None:
        """The worker holds nothing of the task any more."""
        link.free(uid)
        self.on_room(link.pod.template)

    def _holders(self, uid: str) -> list[WorkerLink]:
        return [link for link in self._links.values() if uid in link.held]
