"""What a worker that connects is told before it gets anything new: what it holds and has lost, and has not heard of."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from mcptasks.gateway.claims_in_flight import ClaimsInFlight
from mcptasks.gateway.connected_workers import ConnectedWorkers
from mcptasks.gateway.contract import HeldAttempt, RunOrder
from mcptasks.gateway.known_tasks import KnownTasks
from mcptasks.gateway.refusals import RefusedError
from mcptasks.gateway.worker_claims import RETRY_SECONDS, WorkerClaims
from mcptasks.gateway.worker_link import WorkerLink
from mcptasks.kube.errors import KubeError, NotFoundError, UnavailableError
from mcptasks.model.base import JsonObject
from mcptasks.model.task import McpTask

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""The least time from one look at all tasks to the next."""


FREE_LOOKS = 16
PACED_SECONDS = 0.05
"""A worker may name hundreds of its tasks that have ended: it waits between two that are looked up, but for these and
as many as it may have."""


@dataclass(eq=False)
class SharedLook:
    """Looks at all tasks for those who ask at about the same time: any worker may name what nobody knows."""

    known: KnownTasks
    claims: WorkerClaims
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _begun: float = -LOOK_SECONDS

    async def at_all(self) -> None:
        """Hear of all tasks that there are now. Raises KubeError."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        async with self._looking:
            if asked < self._begun:
                return
            await asyncio.sleep(self._begun + LOOK_SECONDS - loop.time())
            begun = loop.time()
            for item in await self.claims.all(self.known.namespace):
                self.known.cache.add(item)
            self._begun = begun


@dataclass(frozen=True)
class WorkerArrival:
    """Brings a worker and its gateway to the same knowledge."""

    known: KnownTasks
    claims: WorkerClaims
    in_flight: ClaimsInFlight
    workers: ConnectedWorkers
    look: SharedLook
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def settle(self, link: WorkerLink) -> None:
        """Find out what the worker has been given and does not name, and what it names and has lost."""
        unbegun = self._unbegun(link)
        attempts = [HeldAttempt(uid, attempt) for uid, attempt in link.held.items() if attempt is not None]
        if not await self._all_known(attempts):
            # What cannot be looked up goes on: it may be a task that this replica has not heard of yet.
            attempts = [held for held in attempts if self.known.name_of(held.uid) is not None]
        await self._review(link, attempts)
        for uid, name in unbegun:
            await self._note_unbegun(link, name, uid)
        seen: set[str] = set()
        # Until nothing new is found: what is claimed elsewhere meanwhile nobody repeats to a worker that is not ready.
        while missing := [
            each for each in self.known.claimed_by(link.pod.uid) if self._is_missing(link, each[0], seen)
        ]:
            for uid, name in missing:
                seen.add(uid)
                await self.repeat(link, name, uid)
        for uid, name in self._unbegun(link):
            # Claimed elsewhere meanwhile, and ended before it could be repeated.
            if (uid, name) not in unbegun:
                await self._note_unbegun(link, name, uid)

    async def _review(self, link: WorkerLink, attempts: Sequence[HeldAttempt]) -> None:
        """Look each of them up, and tell the worker what it has lost."""
        for number, held in enumerate(attempts):
            if number >= link.pod.concurrency + FREE_LOOKS:
                await self.pause(PACED_SECONDS)
            if link.closed:
                # It has connected anew, and has said again what it holds.
                return
            name = self.known.name_of(held.uid)
            known = None if name is None else await self._refreshed(name)
            if known is None or known["metadata"]["uid"] != held.uid:
                self.workers.end_deleted(link, held.uid)
            else:
                self.workers.review(link, known)

    def _unbegun(self, link: WorkerLink) -> list[tuple[str, str]]:
        """What has ended, was claimed for the worker, and is not in it."""
        return [each for each in self.known.unaccounted_of(link.pod.uid) if each[0] not in link.held]

    def _is_missing(self, link: WorkerLink, uid: str, seen: set[str]) -> bool:
        return uid not in link.held and uid not in self.in_flight and uid not in seen

    async def _note_unbegun(self, link: WorkerLink, name: str, uid: str) -> None:
        """What had ended when the worker connected, and it does not name, it will never begin."""
        if uid in self.in_flight:
            return
        try:
            await self.claims.note_unbegun(link.pod, name, uid)
        except (RefusedError, KubeError) as error:
            logger.warning("cannot note that nothing of task %s is in worker %s: %s", name, link.pod.name, error)

    async def repeat(self, link: WorkerLink, name: str, uid: str) -> None:
        """Tell the worker again to run what it has claimed, if that is still so."""
        if uid in link.held:
            return
        link.held[uid] = None
        try:
            task = await self._claimed_by_it(link, name, uid)
            if task is not None:
                order = RunOrder(uid=uid, assignment=self.claims.repeated(task, link.pod))
                link.send(order)
                self.workers.runs(link, uid, order.assignment.attempt)
        except (RefusedError, KubeError) as error:
            logger.warning("cannot repeat task %s to worker %s: %s", name, link.pod.name, error)
        if link.held.get(uid, 0) is None:
            self.workers.let_go(link, uid)

    async def _all_known(self, attempts: Sequence[HeldAttempt]) -> bool:
        """Hear of tasks that this replica does not know; gives whether the rest of them are gone for certain."""
        if all(self.known.name_of(held.uid) is not None for held in attempts):
            return True
        for pause in (*RETRY_SECONDS, None):
            try:
                await self.look.at_all()
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
                item = await self.claims.read(self.known.namespace, name)
            except NotFoundError:
                return None
            except KubeError:
                if pause is not None:
                    await asyncio.sleep(pause)
            else:
                self.known.cache.add(item)
                return item
        return self.known.cache.get(self.known.namespace, name)

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
