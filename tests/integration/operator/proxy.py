"""A plain HTTP proxy before the cluster's API server: it counts writes and can refuse to work."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from mcptasks_embedded.cluster_thread import EmbeddedClusterThread

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True)
class ProxiedRequest:
    """One request: its method, its path and its body."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def is_write(self) -> bool:
        return self.method in WRITES


Fault = Callable[[ProxiedRequest], web.Response | None]


@dataclass
class Proxy:
    """Forwards everything, as the cluster's administrator.

    `fault` may answer in the API server's place; while it is `deaf`, watches tell nothing. `change` may make something
    else of each line of the answers.
    """

    cluster: EmbeddedClusterThread
    url: str = ""
    calls: list[ProxiedRequest] = field(default_factory=list)
    fault: Fault = lambda _call: None
    deaf: bool = False
    change: Callable[[bytes], bytes] = lambda line: line
    _session: aiohttp.ClientSession | None = None

    def writes(self, *parts: str) -> list[str]:
        """`METHOD path` of all writes whose path has these parts."""
        return [
            f"{call.method} {call.path}" for call in self.calls if call.is_write and all(p in call.path for p in parts)
        ]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        assert self._session is not None
        call = ProxiedRequest(request.method, request.path, dict(request.query), await request.read())
        self.calls.append(call)
        if (refusal := self.fault(call)) is not None:
            return refusal
        headers = {"Authorization": f"Bearer {self.cluster.admin_token}"}
        if content_type := request.headers.get("Content-Type"):
            headers["Content-Type"] = content_type
        async with self._session.request(
            request.method, self.cluster.url + request.path_qs, data=call.body or None, headers=headers
        ) as answer:
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            await response.prepare(request)
            rest = b""
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                if lines and not (self.deaf and "watch" in call.query):
                    await response.write(b"".join(self.change(line) + b"\n" for line in lines))
            await response.write(self.change(rest))
            await response.write_eof()
            return response


@asynccontextmanager
async def proxied(cluster: EmbeddedClusterThread) -> AsyncIterator[Proxy]:
    """A proxy on a free port of this machine."""
    context = ssl.create_default_context(cafile=str(cluster.client_ca))
    connector = aiohttp.TCPConnector(ssl=context, limit=0)
    proxy = Proxy(cluster)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        proxy._session = session
        application = web.Application(client_max_size=2**24)
        application.router.add_route("*", "/{path:.*}", proxy.handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            proxy.url = f"http://{host}:{port}"
            yield proxy
        finally:
            await runner.cleanup()
