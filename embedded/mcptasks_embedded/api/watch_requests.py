"""Watch requests: changes of a resource as a stream of JSON lines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aiohttp import web

from mcptasks_embedded.api import tables
from mcptasks_embedded.objects.operations import Objects
from mcptasks_embedded.objects.selectors import Selection
from mcptasks_embedded.objects.versions import encoded
from mcptasks_embedded.store.changes import Change, StoreEntry
from mcptasks_embedded.store.watch import Watch
from mcptasks_embedded.values import json_values
from mcptasks_embedded.values.api_kind import ApiKind
from mcptasks_embedded.values.errors import ApiError
from mcptasks_embedded.values.json_object import Json

#: Seconds between bookmarks on a quiet watch.
BOOKMARK_INTERVAL = 30.0
_DEFAULT_TIMEOUT = 1800.0


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """With `since` None it starts with all present objects.

    `table` asks for Tables, with `include` as their includeObject.
    """

    kind: ApiKind
    namespace: str
    selection: Selection
    since: int | None
    bookmarks: bool
    initial: bool
    timeout: float
    table: bool
    include: str


class WatchEncoder:
    """Turns entries into the lines of one watch."""

    def __init__(self, request: WatchRequest) -> None:
        self._request = request
        self._with_columns = True

    def line(self, event: str, entry: StoreEntry) -> bytes:
        return b'{"type":"' + event.encode() + b'","object":' + self._object(entry) + b"}\n"

    def _object(self, entry: StoreEntry) -> bytes:
        request = self._request
        if request.table:
            metadata = {"resourceVersion": str(entry.rv)}
            rows = tables.table(request.kind, [entry], metadata, request.include, self._with_columns)
            self._with_columns = False
            return json_values.dumps(rows)
        return encoded(request.kind, entry)

    def bookmark(self, rv: int, initial_end: bool = False) -> bytes:
        kind = self._request.kind
        metadata: Json = {"resourceVersion": str(rv), "creationTimestamp": None}
        if initial_end:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        obj: Json = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
        if self._request.table:
            obj = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": str(rv)}}
            obj |= {"columnDefinitions": [], "rows": []}
        return json_values.dumps({"type": "BOOKMARK", "object": obj}) + b"\n"

    def change(self, change: Change) -> bytes:
        event = selected_event(change, self._request.selection)
        return self.line(event, change.entry) if event else b""


def selected_event(change: Change, selection: Selection) -> str:
    """The event that a watch with a selector sees, empty for none: an object that stops matching counts as DELETED."""
    if selection.all:
        return change.type
    before = change.previous is not None and selection.matches(change.previous.obj)
    if change.type == "DELETED":
        return "DELETED" if before else ""
    if selection.matches(change.entry.obj):
        return "MODIFIED" if before else "ADDED"
    return "DELETED" if before else ""


def error_line(error: ApiError) -> bytes:
    return json_values.dumps({"type": "ERROR", "object": error.status()}) + b"\n"


class WatchResponse:
    """Serves one watch request until it times out, the client leaves or the watch is closed."""

    def __init__(self, objects: Objects, request: WatchRequest, response: web.StreamResponse) -> None:
        self._objects = objects
        self._request = request
        self._response = response
        self._encoder = WatchEncoder(request)
        self._sent_rv = 0

    async def serve(self, register: Callable[[Watch], None]) -> None:
        request = self._request
        store = self._objects.store
        try:
            watch = store.watch(request.kind.storage, request.namespace, request.since)
        except ApiError as error:
            await self._response.write(error_line(error))
            return
        register(watch)
        self._sent_rv = request.since or store.rv
        try:
            if request.since is None:
                await self._response.write(b"".join(self._initial(store.rv)))
            await self._follow(watch)
        finally:
            watch.close()

    def _initial(self, rv: int) -> Iterator[bytes]:
        request = self._request
        for entry in self._objects.store.sorted_entries(request.kind.storage, request.namespace):
            if request.selection.matches(entry.obj):
                yield self._encoder.line("ADDED", entry)
        if request.initial:
            yield self._encoder.bookmark(rv, initial_end=True)

    async def _follow(self, watch: Watch) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._request.timeout
        while not watch.closed:
            left = end - loop.time()
            if left <= 0:
                break
            changes = await watch.wait(min(left, BOOKMARK_INTERVAL))
            if changes:
                self._sent_rv = changes[-1].rv
                await self._send(b"".join(self._encoder.change(change) for change in changes))
            elif not watch.closed:
                await self._send_bookmark()

    async def _send_bookmark(self) -> None:
        if self._request.bookmarks:
            # Nothing is waiting, so this watch has seen everything up to the store's version.
            self._sent_rv = self._objects.store.rv
            await self._send(self._encoder.bookmark(self._sent_rv))

    async def _send(self, data: bytes) -> None:
        if data:
            await self._response.write(data)


def timeout_of(text: str) -> float:
    """`timeoutSeconds` of a watch, in seconds; the server's own limit where it is absent or not a number."""
    try:
        value = float(text)
    except ValueError:
        return _DEFAULT_TIMEOUT
    return value if value > 0 else _DEFAULT_TIMEOUT
