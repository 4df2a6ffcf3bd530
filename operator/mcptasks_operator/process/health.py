"""The operator's own HTTP endpoint: `/healthz` (restart me if not 200) and `/readyz` (synced or standing by)."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web

from mcptasks.network.small_site import small_site

logger = logging.getLogger(__name__)


class Stage(StrEnum):
    """How far the process has come."""

    STARTING = "starting"
    STANDBY = "standby"
    LEADING = "leading"
    STOPPING = "stopping"


STALL_SECONDS = 300.0
"""More than a worker may take for one task, so that a slow API server is not taken for a stall."""


class PortInUseError(Exception):
    """The endpoint's address is taken."""


@dataclass(eq=False)
class Health:
    """What the endpoint reports.

    The process is alive as long as something has succeeded (`beat`: a resync, an attempt at the Lease) in the last
    `patience` seconds, and there has not been work for `stall_patience` seconds without any of it being finished.
    While it starts it is alive: it waits for the cluster, and logs that it does.
    """

    patience: float
    clock: Callable[[], float] = time.monotonic
    stage: Stage = Stage.STARTING
    stall_patience: float = STALL_SECONDS
    stalled: Callable[[], float] = lambda: 0.0
    _beat: float | None = None

    def beat(self) -> None:
        """Something has just succeeded."""
        self._beat = self.clock()

    def beat_in(self, stage: Stage) -> Callable[[], None]:
        """A `beat` that counts only at this stage: renewing the Lease does not show that work gets done."""
        return lambda: self.beat() if self.stage is stage else None

    def enter(self, stage: Stage) -> None:
        """The process is at this stage from now on."""
        self.stage = stage
        self.beat()

    @property
    def silence(self) -> float:
        """Seconds since something last succeeded."""
        return 0.0 if self._beat is None else self.clock() - self._beat

    @property
    def alive(self) -> bool:
        """Whether a restart would not help."""
        if self.stage is Stage.STARTING:
            return True
        return self.silence <= self.patience and self.stalled() <= self.stall_patience

    @property
    def ready(self) -> bool:
        """Whether the process leads, or could at once."""
        return self.alive and self.stage in (Stage.STANDBY, Stage.LEADING)


@asynccontextmanager
async def serve_health(health: Health, host: str, port: int) -> AsyncIterator[int]:
    """Serve the endpoint; gives the port, which matters where 0 was asked for.

    Raises:
        PortInUseError: the address cannot be listened on.
    """
    application = web.Application()
    application.add_routes([web.get("/healthz", _healthz(health)), web.get("/readyz", _readyz(health))])
    async with AsyncExitStack() as stack:
        try:
            bound = await stack.enter_async_context(small_site(application, host, port, "health"))
        except OSError as error:
            raise PortInUseError(
                f"cannot listen on {host}:{port}: {error.strerror or error}; "
                "choose another port with MCPTASKS_LIVENESS_PORT (0 picks a free one)"
            ) from error
        yield bound


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _healthz(health: Health) -> Handler:
    async def handler(_request: web.Request) -> web.StreamResponse:
        text = f"{health.stage.value}, last success {health.silence:.0f} s ago"
        if (stalled := health.stalled()) >= 1:
            text += f", no work done for {stalled:.0f} s"
        return web.Response(text=f"{text}\n", status=200 if health.alive else 500)

    return handler


def _readyz(health: Health) -> Handler:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return web.Response(text=f"{health.stage.value}\n", status=200 if health.ready else 503)

    return handler
