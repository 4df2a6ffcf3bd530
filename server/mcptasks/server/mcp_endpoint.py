"""The MCP endpoint as an ASGI application: authentication, host checks, health, errors in JSON-RPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from mcp.server.transport_security import TransportSecuritySettings

from mcptasks.authoring.task_server import TaskServer
from mcptasks.protocol.transport import complete_transport
from mcptasks.server.auth.authentication import Authentication
from mcptasks.server.auth.unverifiable_tokens import UnverifiableTokens
from mcptasks.server.health import add_health_checks
from mcptasks.server.http_errors import JsonRpcErrors
from mcptasks.settings import Settings
from mcptasks.tasks.service import TaskService

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")


def endpoint_app(
    server: TaskServer[object],
    service: TaskService,
    settings: Settings,
    authentication: Authentication | None = None,
) -> FastAPI:
    """The MCP endpoint with its health checks as an ASGI application.

    Raises:
        TaskConfigError: the server program authenticates callers itself, and the settings do too.
    """
    if authentication is not None:
        server.require_tokens(authentication.sdk, authentication)
    mcp_app = server.streamable_http_app(
        streamable_http_path=settings.path,
        stateless_http=True,
        json_response=False,
        transport_security=_transport_security(settings),
        max_request_body_size=settings.max_body_bytes,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # The lifespan of a mounted application never runs by itself.
        async with server.session_manager.run(), AsyncExitStack() as stack:
            if authentication is not None:
                await stack.enter_async_context(authentication.running())
            yield

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)

    add_health_checks(app, service)
    served = complete_transport(mcp_app, settings.path, settings.max_body_bytes)
    if authentication is not None:
        served = UnverifiableTokens(served, authentication)
    app.mount("/", JsonRpcErrors(served, settings.max_body_bytes))
    return app


def _transport_security(settings: Settings) -> TransportSecuritySettings:
    """Host and Origin checks against DNS rebinding: loopback and what is configured, all with `*`."""
    if "*" in settings.allowed_hosts:
        return TransportSecuritySettings(enable_dns_rebinding_protection=False)
    hosts = [*LOOPBACK_HOSTS, *settings.allowed_hosts]
    origins = [f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts]
    return TransportSecuritySettings(
        allowed_hosts=[form for host in hosts for form in (host, f"{host}:*")],
        allowed_origins=[
            *(form for origin in origins for form in (origin, f"{origin}:*")),
            *settings.allowed_origins,
        ],
    )
