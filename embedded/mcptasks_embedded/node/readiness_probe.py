"""A container's readiness probe: whether it takes work. Only `httpGet` is made; other kinds count as passed.

The defaults are those of the API server.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from mcptasks_embedded.values.json_object import Json

_PERIOD_SECONDS = 10.0
_TIMEOUT_SECONDS = 1.0
_FAILURE_THRESHOLD = 3
_STATUS_LINE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """Where and how often to ask; times in seconds."""

    host: str
    port: int
    path: str = "/"
    initial_delay: float = 0.0
    period: float = _PERIOD_SECONDS
    timeout: float = _TIMEOUT_SECONDS
    success_threshold: int = 1
    failure_threshold: int = _FAILURE_THRESHOLD


def http_probe(container: Json, address: str) -> HttpProbe | None:
    """The container's `readinessProbe` if it is an `httpGet`; `address` is the Pod's."""
    probe = container.get("readinessProbe") or {}
    get = probe.get("httpGet")
    if not get:
        return None
    return HttpProbe(
        host=get.get("host") or address,
        port=_port_number(container, get.get("port", 0)),
        path=get.get("path") or "/",
        initial_delay=float(probe.get("initialDelaySeconds") or 0),
        period=float(probe.get("periodSeconds") or _PERIOD_SECONDS),
        timeout=float(probe.get("timeoutSeconds") or _TIMEOUT_SECONDS),
        success_threshold=int(probe.get("successThreshold") or 1),
        failure_threshold=int(probe.get("failureThreshold") or _FAILURE_THRESHOLD),
    )


def _port_number(container: Json, port: int | str) -> int:
    """The port, which may be the name of one of the container's; 0 where there is none of that name."""
    if isinstance(port, int):
        return port
    named = (item["containerPort"] for item in container.get("ports") or () if item.get("name") == port)
    return int(next(named, 0))


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the container is ready, and how many answers in a row have said the contrary."""

    ready: bool = False
    against: int = 0


def after_answer(before: Readiness, passed: bool, probe: HttpProbe) -> Readiness:
    """The readiness after one more answer: it changes once enough of them in a row say so."""
    if passed == before.ready:
        return replace(before, against=0)
    threshold = probe.success_threshold if passed else probe.failure_threshold
    against = before.against + 1
    return Readiness(passed) if against >= threshold else replace(before, against=against)


async def keep_probing(probe: HttpProbe, changed: Callable[[bool], None]) -> None:
    """Probe until cancelled; tells of each change. A container is not ready at first."""
    readiness = Readiness()
    await asyncio.sleep(probe.initial_delay)
    while True:
        following = after_answer(readiness, await _passes(probe), probe)
        if following.ready != readiness.ready:
            changed(following.ready)
        readiness = following
        await asyncio.sleep(probe.period)


async def _passes(probe: HttpProbe) -> bool:
    """Whether the answer's status is from 200 to 399."""
    try:
        async with asyncio.timeout(probe.timeout):
            return 200 <= await _status(probe) < 400
    except (OSError, TimeoutError, ValueError):
        return False


async def _status(probe: HttpProbe) -> int:
    """The answer's status. Raises OSError where nobody answers, ValueError for what is not HTTP."""
    reader, writer = await asyncio.open_connection(probe.host, probe.port, limit=_STATUS_LINE_BYTES)
    try:
        head = f"GET {probe.path} HTTP/1.1\r\nHost: {probe.host}:{probe.port}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        await writer.drain()
        _version, status, *_reason = (await reader.readline()).split()
        return int(status)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
