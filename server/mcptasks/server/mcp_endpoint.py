"""The MCP endpoint as an ASGI application: authentication, host checks, health, errors in JSON-RPC."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus

from fastapi import FastAPI
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import PlainTextResponse

from mcptasks.authoring.task_server import TaskServer
from mcptasks.protocol.requests import principal_of_caller
from mcptasks.protocol.transport import complete_transport
from mcptasks.server.allowed_sources import AllowedSources
from mcptasks.server.auth.authentication import Authentication
from mcptasks.server.auth.rechecked_tokens import RecheckedTokens
from mcptasks.server.auth.unverifiable_tokens import UnverifiableTokens
from mcptasks.server.body_structure import BodyStructure
from mcptasks.server.cross_origin import CrossOriginAccess
from mcptasks.server.header_check import HeaderCheck, json_rpc_refusal
from mcptasks.server.health import add_health_checks
from mcptasks.server.http_errors import JsonRpcErrors
from mcptasks.server.mcp_route import McpRoute
from mcptasks.server.path_check import PathCheck
from mcptasks.server.source_check import SourceCheck
from mcptasks.server.trailing_slash import TrailingSlash
from mcptasks.settings import Settings
from mcptasks.tasks.byte_budget import ByteBudget
from mcptasks.tasks.owners import caller_key
from mcptasks.tasks.service import TaskService

logger = logging.getLogger(__name__)

SDK_CHECK_OFF = TransportSecuritySettings(enable_dns_rebinding_protection=False)
"""The server checks hosts and origins itself (`SourceCheck`)."""


def endpoint_app(
    server: TaskServer[object],
    service: TaskService,
    settings: Settings,
    authentication: Authentication | None = None,
) -> FastAPI:
    """The MCP endpoint with its health checks as an ASGI application.

    Raises:
        TaskConfigError: the server program authenticates callers itself, and the settings do too.
        AllowedSourcesError: an allowed host or origin of the settings is none.
    """
    allowed = AllowedSources.from_settings(settings, settings.host)
    for risk in allowed.risks:
        logger.warning(risk)
    if authentication is not None:
        server.require_tokens(authentication.sdk, authentication)
    mcp_app = server.streamable_http_app(
        streamable_http_path=settings.path,
        stateless_http=True,
        json_response=False,
        transport_security=SDK_CHECK_OFF,
        max_request_body_size=settings.max_body_bytes,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # The lifespan of a mounted application never runs by itself.
        async with server.session_manager.run(), AsyncExitStack() as stack:
            if authentication is not None:
                await stack.enter_async_context(authentication.running())
            yield

    app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)

    add_health_checks(app, service)
    endpoint = McpRoute.among(mcp_app.routes, settings.path)
    served = complete_transport(mcp_app, endpoint.takes, settings.max_body_bytes)
    served = BodyStructure(
        served,
        endpoint.takes,
        settings.max_body_bytes,
        settings.max_body_values,
        ByteBudget(max(settings.max_bodies_bytes, 2 * settings.max_body_bytes)),
        lambda: caller_key(principal_of_caller()),
    )
    if authentication is not None:
        served = UnverifiableTokens(RecheckedTokens(served, authentication), authentication)
    served = JsonRpcErrors(SourceCheck(served, endpoint, allowed), settings.max_body_bytes, settings.path)
    served = CrossOriginAccess(served, endpoint, allowed)
    app.mount("/", TrailingSlash(served, tuple(mcp_app.routes)))
    not_found = PlainTextResponse("Not Found", HTTPStatus.NOT_FOUND)
    app.add_middleware(PathCheck, refusal=JsonRpcErrors(not_found, settings.max_body_bytes, settings.path))
    app.add_middleware(HeaderCheck, refusal=json_rpc_refusal)
    return app
