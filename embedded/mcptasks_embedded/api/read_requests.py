"""GET requests for resources: objects, lists, watches, logs."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import web

from mcptasks_embedded.api import bodies
from mcptasks_embedded.api.bodies import selection_of
from mcptasks_embedded.api.replies import JSON_TYPE, reply_list, reply_object, wants
from mcptasks_embedded.api.routes import ResourceTarget, is_true
from mcptasks_embedded.api.watch_requests import WatchRequest, WatchResponse, timeout_of
from mcptasks_embedded.objects.operations import Objects
from mcptasks_embedded.objects.options import PodLogOptions
from mcptasks_embedded.objects.selectors import Selection
from mcptasks_embedded.store.watch import Watch
from mcptasks_embedded.values import errors
from mcptasks_embedded.values.errors import ApiError
from mcptasks_embedded.values.json_object import Json

_log = logging.getLogger(__name__)

Send = Callable[[bytes], Awaitable[None]]


class LogSource(Protocol):
    """Where `pods/log` comes from. Raises ApiError 400 or 404 before the first chunk."""

    async def stream_logs(self, pod: Json, options: PodLogOptions, send: Send) -> None: ...


class ReadRequests:
    """Answers get, list, watch and `pods/log`."""

    def __init__(self, objects: Objects, logs: LogSource) -> None:
        self._objects = objects
        self._logs = logs
        self._watches: set[Watch] = set()

    def drop_watches(self) -> None:
        """End all watch requests; their clients have to reconnect. A fault hook for tests."""
        for watch in tuple(self._watches):
            watch.close()

    async def answer(self, request: web.Request, target: ResourceTarget) -> web.StreamResponse:
        if target.subresource == "log":
            return await self._log(request, target)
        if target.verb == "get":
            return self._get(request, target)
        selection = selection_of(request.query, target.kind)
        if target.verb == "watch":
            return await self._watch(request, target, selection)
        return self._list(request, target, selection)

    def _get(self, request: web.Request, target: ResourceTarget) -> web.Response:
        entry = self._objects.get(target.kind, target.namespace, target.name)
        return reply_object(request, target.kind, entry)

    def _list(self, request: web.Request, target: ResourceTarget, selection: Selection) -> web.Response:
        query, kind = request.query, target.kind
        self._check_version(query.get("resourceVersion", ""))
        limit = int(query["limit"]) if query.get("limit", "").isdigit() else 0
        page = self._objects.page(kind, target.namespace, selection, limit, query.get("continue", ""))
        return reply_list(request, kind, page)

    def _check_version(self, text: str) -> None:
        """Raises ApiError 400 unless `text` is a version, 504 for one that is not reached yet."""
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
            table=wants(request, "Table"),
            include=query.get("includeObject", "Metadata"),
        )
        response = web.StreamResponse(headers={"Content-Type": JSON_TYPE})
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
