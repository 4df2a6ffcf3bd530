"""Health of the endpoint: whether the process lives (`/healthz`), and whether it should get calls (`/readyz`)."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.responses import JSONResponse

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
