"""The HTTP side of the API server: authentication, authorisation, verbs, content negotiation."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from aiohttp import web

from mcptasks_embedded.access.rbac import Action, Authorizer, refusal
from mcptasks_embedded.access.tokens import Tokens
from mcptasks_embedded.access.users import User, service_account_user
from mcptasks_embedded.api import bodies, discovery, openapi, openapi_protobuf, tables
from mcptasks_embedded.api.object_protobuf import ObjectDecoder
from mcptasks_embedded.api.reviews import Reviews
from mcptasks_embedded.api.routes import ResourceTarget, is_true, resource_target
from mcptasks_embedded.api.watch_requests import WatchRequest, WatchResponse, timeout_of
from mcptasks_embedded.objects.operations import Objects
from mcptasks_embedded.objects.options import DeleteOptions, PodLogOptions
from mcptasks_embedded.objects.pages import ObjectPage
from mcptasks_embedded.objects.selectors import Selection, parse_selection
from mcptasks_embedded.objects.versions import convert
from mcptasks_embedded.store.memory import StoreEntry, Watch
from mcptasks_embedded.values import errors, json_values
from mcptasks_embedded.values.api_kind import ApiKind
from mcptasks_embedded.values.errors import ApiError

Json = dict[str, Any]
_log = logging.getLogger(__name__)

_PUBLIC = frozenset({"/healthz", "/livez", "/readyz", "/version"})
_JSON_TYPE = "application/json"

Send = Callable[[bytes], Awaitable[None]]


class LogSource(Protocol):
    """Where `pods/log` comes from. Raises ApiError 400 or 404 before the first chunk."""

    async def stream_logs(self, pod: Json, options: PodLogOptions, send: Send) -> None: ...


def _reply(body: Json, code: int = 200, warnings: list[str] | None = None) -> web.Response:
    return _reply_raw(json_values.dumps(body), code, warnings)


def _reply_raw(body: bytes, code: int = 200, warnings: list[str] | None = None) -> web.Response:
    response = web.Response(body=body, status=code, content_type=_JSON_TYPE)
    for text in warnings or ():
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{escaped}"')
    return response


def _wants(request: web.Request, name: str) -> bool:
    """Whether the first acceptable form is `as=<name>`."""
    first = request.headers.get("Accept", "").split(",")[0]
    return f"as={name}" in first


def _joined(pages: list[bytes], kind: str, api_version: str, metadata: Json) -> bytes:
    head = json_values.dumps({"kind": kind, "apiVersion": api_version, "metadata": metadata})
    return head[:-1] + b',"items":[' + b",".join(pages) + b"]}"


class ApiServer:
    """Serves one cluster's objects. `application()` gives an aiohttp application; each may be used once."""

    def __init__(self, objects: Objects, tokens: Tokens, authorizer: Authorizer, logs: LogSource) -> None:
        self._objects = objects
        self._tokens = tokens
        self._authorizer = authorizer
        self._logs = logs
        self._reviews = Reviews(objects, tokens, authorizer)
        self._watches: set[Watch] = set()
        self._documents = openapi.OpenApiDocuments(objects.registry, objects.types)
        self._decoder = ObjectDecoder(objects.types)

    def application(self) -> web.Application:
        app = web.Application(client_max_size=bodies.REQUEST_LIMIT)
        app.router.add_route("*", "/{path:.*}", self._serve)
        return app

    def drop_watches(self) -> None:
        """End all watch requests; their clients have to come again. A fault hook for tests."""
        for watch in tuple(self._watches):
            watch.close()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._dispatch(request)
        except ApiError as error:
            return _reply(error.status(), error.code)
        except ConnectionResetError:
            # The client of a stream has left.
            raise
        except Exception:  # noqa: BLE001 - a request must be answered whatever happens, and the log has the cause
            _log.exception("%s %s failed", request.method, request.path)
            return _reply(ApiError(500, "InternalError", "Internal error occurred").status(), 500)

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
            return await self._write(request, target, user)
        return await self._read(request, target)

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

    # --- not about resources ---

    def _public(self, path: str) -> web.Response:
        return _reply(discovery.version()) if path == "/version" else web.Response(text="ok")

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
        return _reply(found)

    def _group(self, parts: list[str]) -> Json | None:
        registry = self._objects.registry
        return (
            discovery.group(registry, parts[1]) if len(parts) == 2 else discovery.resource_list(registry, *parts[1:3])
        )

    # --- reading ---

    async def _read(self, request: web.Request, target: ResourceTarget) -> web.StreamResponse:
        if target.subresource == "log":
            return await self._log(request, target)
        if target.verb == "get":
            return self._get(request, target)
        selection = self._selection(request.query, target)
        if target.verb == "watch":
            return await self._watch(request, target, selection)
        return self._list(request, target, selection)

    def _selection(self, query: Mapping[str, str], target: ResourceTarget) -> Selection:
        kind = target.kind
        labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
        return parse_selection(kind.storage.group, kind.plural, kind.selectable, labels, fields)

    def _get(self, request: web.Request, target: ResourceTarget) -> web.Response:
        entry = self._objects.get(target.kind, target.namespace, target.name)
        return self._one(request, target.kind, entry)

    def _one(
        self, request: web.Request, kind: ApiKind, entry: StoreEntry, code: int = 200, warnings: list[str] | None = None
    ) -> web.Response:
        if _wants(request, "Table"):
            metadata = {"resourceVersion": str(entry.rv)}
            include = request.query.get("includeObject", "Metadata")
            return _reply(tables.table(kind, [entry], metadata, include), code, warnings)
        if _wants(request, "PartialObjectMetadata"):
            return _reply(_partial(entry.obj), code, warnings)
        obj = convert(kind, entry.obj)
        return _reply_raw(entry.raw if obj is entry.obj else json_values.dumps(obj), code, warnings)

    def _list(self, request: web.Request, target: ResourceTarget, selection: Selection) -> web.Response:
        query, kind = request.query, target.kind
        self._check_version(query.get("resourceVersion", ""))
        limit = int(query["limit"]) if query.get("limit", "").isdigit() else 0
        page = self._objects.page(kind, target.namespace, selection, limit, query.get("continue", ""))
        metadata = _list_metadata(page)
        if _wants(request, "Table"):
            return _reply(tables.table(kind, page.entries, metadata, query.get("includeObject", "Metadata")))
        if _wants(request, "PartialObjectMetadataList"):
            items = [json_values.dumps(_partial(entry.obj)) for entry in page.entries]
            return _reply_raw(_joined(items, "PartialObjectMetadataList", "meta.k8s.io/v1", metadata))
        return _reply_raw(_joined(self._encoded(kind, page), kind.list_kind, kind.api_version, metadata))

    def _encoded(self, kind: ApiKind, page: ObjectPage) -> list[bytes]:
        result = []
        for entry in page.entries:
            obj = convert(kind, entry.obj)
            result.append(entry.raw if obj is entry.obj else json_values.dumps(obj))
        return result

    def _check_version(self, text: str) -> None:
        if text and not text.isdigit():
            raise errors.bad_request(f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: invalid syntax')
        if text and int(text) > self._objects.store.rv:
            causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
            details: Json = {"causes": causes, "retryAfterSeconds": 1}
            message = f"Timeout: Too large resource version: {text}, current: {self._objects.store.rv}"
            raise ApiError(504, "Timeout", message, details)

    async def _watch(self, request: web.Request, target: ResourceTarget, selection: Selection) -> web.StreamResponse:
        query = request.query
        version = query.get("resourceVersion", "")
        self._check_version(version)
        wanted = WatchRequest(
            kind=target.kind,
            namespace=target.namespace,
            selection=selection,
            since=None if version in ("", "0") or is_true(query, "sendInitialEvents") else int(version),
            bookmarks=is_true(query, "allowWatchBookmarks"),
            initial=is_true(query, "sendInitialEvents"),
            timeout=timeout_of(query.get("timeoutSeconds", "")),
            table=_wants(request, "Table"),
            include=query.get("includeObject", "Metadata"),
        )
        response = web.StreamResponse(headers={"Content-Type": _JSON_TYPE})
        await response.prepare(request)
        watches: list[Watch] = []

        def register(watch: Watch) -> None:
            watches.append(watch)
            self._watches.add(watch)

        try:
            await WatchResponse(self._objects, wanted, response).serve(register)
            await response.write_eof()
        except ConnectionResetError:
            _log.debug("the client of a watch has left")
        finally:
            self._watches.difference_update(watches)
        return response

    async def _log(self, request: web.Request, target: ResourceTarget) -> web.StreamResponse:
        pod = self._objects.get(target.kind, target.namespace, target.name).obj
        options = bodies.log_options(request.query)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})

        async def send(data: bytes) -> None:
            if not response.prepared:
                await response.prepare(request)
            await response.write(data)

        try:
            await self._logs.stream_logs(pod, options, send)
            await send(b"")
            await response.write_eof()
        except ConnectionResetError:
            _log.debug("the reader of a log has left")
        return response

    # --- writing ---

    async def _write(self, request: web.Request, target: ResourceTarget, user: User) -> web.Response:
        if target.verb in ("delete", "deletecollection"):
            return await self._delete(request, target)
        if target.verb == "patch":
            return await self._patch(request, target)
        if target.verb == "update":
            return await self._update(request, target)
        return await self._create(request, target, user)

    async def _create(self, request: web.Request, target: ResourceTarget, user: User) -> web.Response:
        body = await bodies.read_object(request, self._decoder)
        kind = target.kind
        if target.subresource == "eviction":
            return _reply(self._reviews.evict(target.namespace, target.name, body), 201)
        if target.subresource == "token":
            return _reply(self._reviews.token_request(target.namespace, target.name, body), 201)
        bodies.check_identity(body, kind.api_version, kind.kind, target.namespace, "")
        if kind.custom:
            bodies.check_typed(body, kind.kind)
        if kind.verbs == ("create",):
            return _reply(self._reviews.review(kind, user, body), 201)
        options = bodies.write_options(request.query)
        entry = self._objects.create(kind, target.namespace, body, options)
        return self._one(request, kind, entry, 201, options.warnings)

    async def _update(self, request: web.Request, target: ResourceTarget) -> web.Response:
        body = await bodies.read_object(request, self._decoder)
        kind = target.kind
        bodies.check_identity(body, kind.api_version, kind.kind, target.namespace, target.name)
        metadata = {**(body.get("metadata") or {}), "name": target.name}
        options = bodies.write_options(request.query)
        existed = self._objects.store.get(kind.ref(target.namespace, target.name)) is not None
        body = {**body, "metadata": metadata}
        entry = self._objects.update(kind, target.namespace, body, target.subresource, options)
        return self._one(request, kind, entry, 200 if existed else 201, options.warnings)

    async def _patch(self, request: web.Request, target: ResourceTarget) -> web.Response:
        change = await bodies.read_patch(request)
        kind = target.kind
        options = bodies.write_options(request.query)
        if change.type == "strategic" and kind.custom:
            raise errors.unsupported_media(
                request.content_type, ["application/json-patch+json", "application/merge-patch+json"]
            )
        if change.type == "apply":
            _check_apply(change.body, target, options.field_manager)
        ref = kind.ref(target.namespace, target.name)
        entry, created = self._objects.patch(kind, ref, change, target.subresource, options)
        return self._one(request, kind, entry, 201 if created else 200, options.warnings)

    async def _delete(self, request: web.Request, target: ResourceTarget) -> web.Response:
        options = await bodies.read_delete_options(request, self._decoder)
        kind = target.kind
        if target.verb == "deletecollection":
            return self._delete_collection(request, target, options)
        entry, gone = self._objects.delete(kind, target.namespace, target.name, options)
        if gone and kind.plural not in ("pods", "services"):
            body = errors.success(kind, target.name, entry.obj["metadata"]["uid"])
            return _reply(body, 200, options.warnings)
        return self._one(request, kind, entry, 200, options.warnings)

    def _delete_collection(self, request: web.Request, target: ResourceTarget, options: DeleteOptions) -> web.Response:
        selection = self._selection(request.query, target)
        page = self._objects.page(target.kind, target.namespace, selection)
        for entry in page.entries:
            self._objects.delete(target.kind, entry.ref.namespace, entry.ref.name, options)
        items = self._encoded(target.kind, page)
        metadata = {"resourceVersion": str(self._objects.store.rv)}
        body = _joined(items, target.kind.list_kind, target.kind.api_version, metadata)
        return _reply_raw(body, 200, list(dict.fromkeys(options.warnings)))


def _list_metadata(page: ObjectPage) -> Json:
    metadata: Json = {"resourceVersion": str(page.rv)}
    if page.token:
        metadata["continue"] = page.token
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
    return metadata


def _partial(obj: Json) -> Json:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def _check_apply(body: Json, target: ResourceTarget, manager: str) -> None:
    kind = target.kind
    if not manager:
        where = ApiKind("meta.k8s.io", "v1", "PatchOptions", "patchoptions")
        raise errors.invalid(where, "", [errors.required("fieldManager", "is required for apply patch")])
    if not body.get("apiVersion") or not body.get("kind"):
        raise errors.bad_request("apiVersion and kind must be set in an apply configuration")
    bodies.check_identity(body, kind.api_version, kind.kind, target.namespace, target.name)
    body["metadata"] = {**(body.get("metadata") or {}), "name": target.name}
