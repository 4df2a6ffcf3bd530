"""Health of the server: whether the process lives (`/healthz`), and whether it should get calls (`/readyz`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from mcptasks.network.small_site import small_site
from mcptasks.server.start_errors import StartError
from mcptasks.tasks.service import TaskService

STALE_SECONDS = 60
"""How long the API server may be out of reach before other replicas should get the calls."""


def add_health_checks(app: FastAPI, service: TaskService) -> None:
    """Add `/healthz` and `/readyz` to the application."""

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        obstacle = unreadiness(service)
        return JSONResponse({"status": obstacle or "ok"}, 503 if obstacle else 200)


@asynccontextmanager
async def health_served(service: TaskService, host: str, port: int | None) -> AsyncIterator[int | None]:
    """Serve the same on a port of its own, which answers whatever is done to the others; gives the port.

    Serves nothing where `port` is None. Raises StartError where the port is taken or not allowed.
    """
    if port is None:
        yield None
        return

    async def healthz(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"status": "ok"})

    async def readyz(_request: web.Request) -> web.StreamResponse:
        obstacle = unreadiness(service)
        return web.json_response({"status": obstacle or "ok"}, status=503 if obstacle else 200)

    application = web.Application()
    application.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz)])
    async with AsyncExitStack() as stack:
        try:
            bound = await stack.enter_async_context(small_site(application, host, port, "health"))
        except OSError as error:
            raise StartError(
                f"cannot listen on {host} port {port}: {error.strerror or error}; "
                "choose another one with MCPTASKS_HEALTH_PORT (0 is any free one), or leave it out"
            ) from error
        yield bound


def unreadiness(service: TaskService, stale_seconds: float = STALE_SECONDS) -> str | None:
    """Why the server should get no calls now; None where it should.

    A server that lost the API server long ago answers from an old cache; other replicas have a fresher one. Where all
    have lost it, none is taken out of the Service: that, too, needs the API server.
    """
    if service.draining.is_set():
        return "draining"
    if not service.cache.synced.is_set():
        return "waiting for the Kubernetes API"
    if (lost := service.cache.unreachable_seconds) > stale_seconds:
        return f"out of sync with the Kubernetes API for {lost:.0f} s"
    return None
