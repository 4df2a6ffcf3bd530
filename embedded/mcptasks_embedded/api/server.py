"""The API server's HTTP side: it authenticates, authorises and dispatches requests."""

from __future__ import annotations

import logging

from aiohttp import web

from mcptasks_embedded.access.rbac import Action, Authorizer, refusal
from mcptasks_embedded.access.tokens import Tokens
from mcptasks_embedded.access.users import User, service_account_user
from mcptasks_embedded.api import bodies, discovery, openapi, openapi_protobuf
from mcptasks_embedded.api.read_requests import LogSource, ReadRequests
from mcptasks_embedded.api.replies import reply
from mcptasks_embedded.api.reviews import Reviews
from mcptasks_embedded.api.routes import resource_target
from mcptasks_embedded.api.write_requests import WriteRequests
from mcptasks_embedded.objects.operations import Objects
from mcptasks_embedded.values import errors
from mcptasks_embedded.values.api_kind import ApiKind
from mcptasks_embedded.values.errors import ApiError
from mcptasks_embedded.values.json_object import Json

_log = logging.getLogger(__name__)

_PUBLIC = frozenset({"/healthz", "/livez", "/readyz", "/version"})


class ApiServer:
    """Serves one cluster's objects. `application()` gives an aiohttp application; each may be used once."""

    def __init__(self, objects: Objects, tokens: Tokens, authorizer: Authorizer, logs: LogSource) -> None:
        self._objects = objects
        self._tokens = tokens
        self._authorizer = authorizer
        self._reads = ReadRequests(objects, logs)
        self._writes = WriteRequests(objects, Reviews(objects, tokens, authorizer))
        self._documents = openapi.OpenApiDocuments(objects.registry, objects.types)

    def application(self) -> web.Application:
        app = web.Application(client_max_size=bodies.REQUEST_LIMIT)
        app.router.add_route("*", "/{path:.*}", self._serve)
        return app

    def drop_watches(self) -> None:
        """End all watch requests; their clients have to reconnect. A fault hook for tests."""
        self._reads.drop_watches()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._dispatch(request)
        except ApiError as error:
            return reply(error.status(), error.code)
        except ConnectionResetError:
            # The client of a stream is gone.
            raise
        except Exception:  # noqa: BLE001 - a request must be answered whatever happens, and the log has the cause
            _log.exception("%s %s failed", request.method, request.path)
            return reply(ApiError(500, "InternalError", "Internal error occurred").status(), 500)

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if path in _PUBLIC or path.startswith(("/livez/", "/readyz/", "/healthz/")):
            return self._public(path)
        user = self._user(request)
        target = resource_target(self._objects.registry, request.method, path, request.query)
        if target is None:
            self._authorize(user, Action(request.method.lower(), path=path), None)
            return self._non_resource(request)
        self._authorize(user, target.action, target.kind)
        if target.verb in ("create", "update", "patch", "delete", "deletecollection"):
            return await self._writes.answer(request, target, user)
        return await self._reads.answer(request, target)

    def _user(self, request: web.Request) -> User:
        user = self._tokens.authenticate(request.headers)
        name = request.headers.get("Impersonate-User")
        if not name:
            return user
        self._authorize(user, Action("impersonate", resource="users", name=name), None)
        groups = tuple(request.headers.getall("Impersonate-Group", []))
        if "system:authenticated" not in groups:
            groups = (*groups, "system:authenticated")
        return service_account_user(name, groups)

    def _authorize(self, user: User, action: Action, kind: ApiKind | None) -> None:
        if self._authorizer.allows(user, action):
            return
        why = refusal(user, action)
        if kind is None:
            raise ApiError(403, "Forbidden", f"forbidden: {why}")
        raise errors.forbidden(kind, action.name, why)

    # --- requests that do not concern a resource ---

    def _public(self, path: str) -> web.Response:
        return reply(discovery.version()) if path == "/version" else web.Response(text="ok")

    def _non_resource(self, request: web.Request) -> web.Response:
        registry = self._objects.registry
        path = request.path.rstrip("/")
        parts = path.split("/")[1:]
        found: Json | None = None
        if path == "/api":
            found = discovery.api_versions()
        elif path == "/apis":
            found = discovery.group_list(registry)
        elif parts[0] == "api" and len(parts) == 2:
            found = discovery.resource_list(registry, "", parts[1])
        elif parts[0] == "apis":
            found = self._group(parts)
        elif parts[0] == "openapi":
            found = self._documents.get(path)
        if found is None:
            raise errors.no_such_path()
        if "swagger" in found and openapi_protobuf.accepted(request.headers.get("Accept", "")):
            return web.Response(body=openapi_protobuf.encode(found), content_type=openapi_protobuf.MEDIA_TYPE)
        return reply(found)

    def _group(self, parts: list[str]) -> Json | None:
        registry = self._objects.registry
        return (
            discovery.group(registry, parts[1]) if len(parts) == 2 else discovery.resource_list(registry, *parts[1:3])
        )
