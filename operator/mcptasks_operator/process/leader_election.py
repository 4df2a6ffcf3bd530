"""Leader election by a `coordination.k8s.io/v1` Lease, with the rules of client-go's `leaderelection`.

The operator's writes are all harmless when repeated and conditional where they are not, so that two leaders for a
moment do no damage; the Lease keeps them from doing the work twice. Own code, because the `kubernetes` package's
election goes by the wall clock, does not bound a renewal's requests by the renew deadline and never gives the Lease up
on a clean stop.

* Another holder's Lease is taken over once it has not *changed* for its whole duration, by this process's own
  monotonic clock: clocks of different machines are never compared.
* A leader that could not renew for `renew` seconds steps down; as `renew` is less than `duration`, it does so before
  another one can take over. Time counts from before a request is sent.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from mcptasks.kube.errors import AlreadyExistsError, ConflictError, ForbiddenError, KubeError, NotFoundError
from mcptasks.kube.kinds import LEASES, Resource
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import utc_now

logger = logging.getLogger(__name__)

JITTER = 1.2


class LeaseLostError(Exception):
    """This process is not the leader any more and must stop at once."""


class LeaseConfigError(Exception):
    """The lease's durations do not fit together."""


@dataclass(frozen=True)
class LeaseTimes:
    """Durations in seconds: how long a Lease holds, when a leader gives up, how often it renews."""

    duration: float
    renew: float
    retry: float

    def check(self) -> None:
        """Raises LeaseConfigError where a leader would give up too late, or before it has tried again."""
        if not self.duration > self.renew > self.retry * JITTER:
            raise LeaseConfigError(
                f"lease times do not fit: MCPTASKS_LEASE_SECONDS ({self.duration}) must be greater than "
                f"MCPTASKS_LEASE_RENEW_SECONDS ({self.renew}), and that greater than {JITTER} times "
                f"MCPTASKS_LEASE_RETRY_SECONDS ({self.retry})"
            )


def new_identity() -> str:
    """A name for this process that no other process has or had."""
    return f"{socket.gethostname()}_{os.getpid()}_{secrets.token_hex(4)}"


class Leases(Protocol):
    """What the election needs of the API server's client."""

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> JsonObject: ...

    async def create(self, resource: Resource, body: JsonObject, namespace: str | None = None) -> JsonObject: ...

    async def replace(
        self, resource: Resource, name: str, body: JsonObject, namespace: str | None = None
    ) -> JsonObject: ...


@dataclass(eq=False)
class LeaseElection:
    """Takes part in the election for one Lease."""

    kube: Leases
    name: str
    namespace: str
    times: LeaseTimes
    identity: str = field(default_factory=new_identity)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    on_try: Callable[[], None] = lambda: None
    _lease: JsonObject | None = None
    _seen: tuple[str, str] | None = None
    _seen_at: float = 0.0

    async def acquire(self) -> None:
        """Wait until this process is the leader."""
        logged: str | None = None
        while not await self._attempt():
            holder = self._holder()
            if holder and holder != logged:
                logger.info("standing by: %s holds lease %s/%s", holder, self.namespace, self.name)
                logged = holder
            await self.sleep(self.times.retry * random.uniform(1.0, JITTER))
        logger.info("%s holds lease %s/%s", self.identity, self.namespace, self.name)

    async def hold(self) -> None:
        """Renew until the Lease is lost.

        Raises:
            LeaseLostError: another process holds it, or it could not be renewed in time.
        """
        renewed = self.clock()
        while True:
            await self.sleep(self.times.retry)
            started = self.clock()
            left = renewed + self.times.renew - started
            if left > 0 and await self._attempt(left):
                renewed = started
            elif self._holder() not in (self.identity, None):
                raise LeaseLostError(f"{self._holder()} has taken lease {self.namespace}/{self.name}")
            elif self.clock() >= renewed + self.times.renew:
                raise LeaseLostError(
                    f"lease {self.namespace}/{self.name} could not be renewed for {self.times.renew:.0f} s"
                )

    async def release(self) -> None:
        """Give the Lease up, so that no other process has to wait for it to run out."""
        if self._lease is None or self._holder() != self.identity:
            return
        body = self._body(self._lease, holder="", duration=1)
        try:
            async with asyncio.timeout(self.times.retry):
                await self.kube.replace(LEASES, self.name, body, self.namespace)
        except (KubeError, TimeoutError) as error:
            logger.warning("lease %s not given up: %s", self.name, error)

    async def _attempt(self, seconds: float | None = None) -> bool:
        """Try to get or to renew the Lease, for at most `seconds`; returns whether this process holds it now."""
        try:
            async with asyncio.timeout(seconds or self.times.renew):
                held = await self._try()
        except (ConflictError, AlreadyExistsError):
            return False
        except ForbiddenError as error:
            logger.warning("lease %s: %s; allow get, create and update of leases", self.name, error)
            return False
        except (KubeError, TimeoutError) as error:
            logger.warning("lease %s: %s", self.name, str(error) or "no answer in time")
            return False
        self.on_try()
        return held

    async def _try(self) -> bool:
        try:
            lease = await self.kube.get(LEASES, self.name, self.namespace)
        except NotFoundError:
            self._remember(await self.kube.create(LEASES, self._body(None, self.identity), self.namespace))
            return True
        self._remember(lease)
        if not self._is_free():
            return False
        self._remember(await self.kube.replace(LEASES, self.name, self._body(lease, self.identity), self.namespace))
        return True

    def _remember(self, lease: JsonObject) -> None:
        """Remember the Lease, and when its record last changed."""
        spec = lease.get("spec") or {}
        record = (str(spec.get("holderIdentity") or ""), str(spec.get("renewTime") or ""))
        if record != self._seen:
            self._seen, self._seen_at = record, self.clock()
        self._lease = lease

    def _holder(self) -> str | None:
        """Who holds the Lease, as last seen."""
        return self._seen[0] or None if self._seen else None

    def _is_free(self) -> bool:
        holder = self._holder()
        if holder is None or holder == self.identity:
            return True
        spec = (self._lease or {}).get("spec") or {}
        duration = float(spec.get("leaseDurationSeconds") or self.times.duration)
        return self.clock() >= self._seen_at + duration

    def _body(self, lease: JsonObject | None, holder: str, duration: float | None = None) -> JsonObject:
        spec = (lease or {}).get("spec") or {}
        now = _micro_time(utc_now())
        same = spec.get("holderIdentity") == holder
        transitions = int(spec.get("leaseTransitions") or 0)
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": (lease or {}).get("metadata") or {"name": self.name, "namespace": self.namespace},
            "spec": {
                **spec,
                "holderIdentity": holder,
                "leaseDurationSeconds": max(1, round(duration or self.times.duration)),
                "acquireTime": spec.get("acquireTime", now) if same else now,
                "renewTime": now,
                "leaseTransitions": transitions if same or lease is None else transitions + 1,
            },
        }


def _micro_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
