"""A thin asynchronous client of the Kubernetes API: JSON objects in, JSON objects out.

Configuration and credentials (kubeconfig, exec plugins, in-cluster token rotation) are the `kubernetes` package's;
requests go out without typed models, so that fields newer than the package pass through.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import aiohttp

from mcptasks.kube.connection import (
    CONNECT_TIMEOUT_SECONDS,
    REQUEST_TIMEOUT_SECONDS,
    ApiConnection,
    parsed_json,
    streamed_lines,
)
from mcptasks.kube.errors import ForbiddenError, NotFoundError, from_status
from mcptasks.kube.kinds import PODS, Resource
from mcptasks.model.base import JsonObject

if TYPE_CHECKING:
    from kubernetes.aio.client import Configuration

Propagation = Literal["Background", "Foreground", "Orphan"]
PatchType = Literal["application/merge-patch+json", "application/json-patch+json", "application/apply-patch+yaml"]

MERGE: PatchType = "application/merge-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PAGE_SIZE = 500
MAX_LOG_LINE = 1024 * 1024


@dataclass(frozen=True)
class ObjectList:
    """Objects of one kind and the resource version from which to watch on."""

    items: list[JsonObject]
    resource_version: str


@dataclass(frozen=True)
class WatchEvent:
    """ADDED, MODIFIED, DELETED or BOOKMARK, with the object it is about."""

    type: str
    object: JsonObject


@dataclass(frozen=True)
class LogOptions:
    """Which part of a container's log to read."""

    container: str | None = None
    tail_lines: int | None = None
    limit_bytes: int | None = None
    follow: bool = False
    previous: bool = False
    timestamps: bool = False

    def query(self) -> dict[str, str]:
        options: dict[str, object] = {
            "container": self.container,
            "tailLines": self.tail_lines,
            "limitBytes": self.limit_bytes,
            "follow": "true" if self.follow else None,
            "previous": "true" if self.previous else None,
            "timestamps": "true" if self.timestamps else None,
        }
        return {key: str(value) for key, value in options.items() if value is not None}


@dataclass
class KubeClient:
    """Talks to one API server. Use as an async context manager."""

    configuration: Configuration
    user_agent: str = "mcptasks"

    def __post_init__(self) -> None:
        self._connection = ApiConnection(self.configuration, self.user_agent)

    @property
    def host(self) -> str:
        """URL of the API server."""
        return self._connection.host

    def server_time(self) -> datetime | None:
        """The API server's time; None as long as it has not answered."""
        return self._connection.clock.now()

    async def __aenter__(self) -> Self:
        self._connection.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._connection.aclose()

    async def authenticated_session(self) -> aiohttp.ClientSession:
        """A session of its own for code that talks to the same API server, with the credentials of this moment."""
        return await self._connection.authenticated_session()

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> JsonObject:
        """Read one object. Raises NotFoundError."""
        return await self._connection.json("GET", resource.path(namespace, name))

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> ObjectList:
        """Read all objects of a kind, page by page."""
        query = _query(labelSelector=label_selector, fieldSelector=field_selector, limit=PAGE_SIZE)
        items: list[JsonObject] = []
        while True:
            page = await self._connection.json("GET", resource.path(namespace), query=query)
            items += page.get("items") or []
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return ObjectList(items, str(metadata.get("resourceVersion", "")))
            query = {**query, "continue": metadata["continue"]}

    async def table(
        self,
        resource: Resource,
        namespace: str | None = None,
        name: str | None = None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> JsonObject:
        """The objects (the one of the name, if given) as a `meta.k8s.io/v1` Table, as `kubectl get` asks for it."""
        query = _query(labelSelector=label_selector, fieldSelector=field_selector)
        if name is not None:
            return await self._connection.json("GET", resource.path(namespace, name), query=query, accept=TABLE)
        query["limit"] = str(PAGE_SIZE)
        table = await self._connection.json("GET", resource.path(namespace), query=query, accept=TABLE)
        page = table
        while page["metadata"].get("continue"):
            query["continue"] = page["metadata"]["continue"]
            page = await self._connection.json("GET", resource.path(namespace), query=query, accept=TABLE)
            table["rows"] = [*(table.get("rows") or ()), *(page.get("rows") or ())]
        return table

    async def create(self, resource: Resource, body: JsonObject, namespace: str | None = None) -> JsonObject:
        """Create an object. Raises AlreadyExistsError, InvalidError, ForbiddenError."""
        return await self._connection.json("POST", resource.path(namespace), body=body)

    async def replace(
        self, resource: Resource, name: str, body: JsonObject, namespace: str | None = None
    ) -> JsonObject:
        """Replace an object. Raises ConflictError where `body` has an older resource version."""
        return await self._connection.json("PUT", resource.path(namespace, name), body=body)

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Any,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
        patch_type: PatchType = MERGE,
        query: Mapping[str, str] | None = None,
    ) -> JsonObject:
        """Patch an object (a JSON merge patch by default). Raises NotFoundError, ConflictError, InvalidError."""
        return await self._connection.json(
            "PATCH",
            resource.path(namespace, name, subresource),
            body=body,
            query=dict(query or {}),
            content_type=patch_type,
        )

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        propagation: Propagation = "Background",
        grace_seconds: int | None = None,
    ) -> JsonObject:
        """Delete an object, its dependents too. Raises NotFoundError, or ConflictError where the uid is another."""
        options: JsonObject = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        return await self._connection.json("DELETE", resource.path(namespace, name), body=options)

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str | None = None,
        field_selector: str | None = None,
        timeout_seconds: int = 300,
        as_table: bool = False,
    ) -> AsyncIterator[WatchEvent]:
        """Follow changes from `resource_version` on, until the server ends the watch after `timeout_seconds`.

        With `as_table` each event's object is a Table of one row.

        Raises GoneError where the resource version is too old: list again.
        """
        query = _query(
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=resource_version,
            labelSelector=label_selector,
            fieldSelector=field_selector,
            timeoutSeconds=timeout_seconds,
        )
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_TIMEOUT_SECONDS, sock_read=timeout_seconds + 30
        )
        accept = TABLE if as_table else None
        async with self._connection.stream(
            "GET", resource.path(namespace), query=query, timeout=timeout, accept=accept
        ) as response:
            async for line in streamed_lines(response.content):
                event = await parsed_json(line)
                if event["type"] == "ERROR":
                    raise from_status(int(event["object"].get("code", 500)), event["object"])
                yield WatchEvent(event["type"], event["object"])

    async def log_lines(self, pod: str, namespace: str, options: LogOptions | None = None) -> AsyncGenerator[str]:
        """Lines of a container's log as they come, without the line break. Raises NotFoundError.

        A line of over `MAX_LOG_LINE` bytes comes as several.
        """
        async with self._log(pod, namespace, options or LogOptions()) as content:
            async for line in streamed_lines(content, MAX_LOG_LINE):
                yield line.decode("utf-8", "replace")

    async def log_chunks(self, pod: str, namespace: str, options: LogOptions) -> AsyncIterator[bytes]:
        """A container's log as it comes, in pieces of any size. Raises NotFoundError."""
        async with self._log(pod, namespace, options) as content:
            async for chunk in content.iter_any():
                yield chunk

    @asynccontextmanager
    async def _log(self, pod: str, namespace: str, options: LogOptions) -> AsyncIterator[aiohttp.StreamReader]:
        # A log that is followed may be silent for as long as it likes.
        silence = None if options.follow else REQUEST_TIMEOUT_SECONDS
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_SECONDS, sock_read=silence)
        path = PODS.path(namespace, pod, "log")
        async with self._connection.stream("GET", path, query=options.query(), timeout=timeout) as response:
            yield response.content

    async def log_end(self, pod: str, namespace: str, options: LogOptions, max_bytes: int) -> bytes:
        """The last bytes of what the options select, whose `limit_bytes` would keep the first. Raises NotFoundError."""
        end = bytearray()
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS, sock_connect=CONNECT_TIMEOUT_SECONDS)
        path = PODS.path(namespace, pod, "log")
        async with self._connection.stream("GET", path, query=options.query(), timeout=timeout) as response:
            async for chunk in response.content.iter_any():
                end += chunk
                if len(end) > 2 * max_bytes:
                    del end[:-max_bytes]
        return bytes(end[-max_bytes:])

    async def evict(self, pod: str, namespace: str) -> None:
        """Ask for a Pod's eviction, as `kubectl drain` does."""
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace}}
        await self._connection.json("POST", PODS.path(namespace, pod, "eviction"), body=body)

    async def version(self) -> JsonObject:
        """The API server's version; the cheapest way to see whether it can be reached."""
        return await self._connection.json("GET", "/version")

    async def serves(self, resource: Resource) -> bool:
        """Whether the API server knows the resource (the CRD is installed)."""
        group = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
        try:
            found = await self._connection.json("GET", group)
        except (NotFoundError, ForbiddenError):
            return False
        return any(entry.get("name") == resource.plural for entry in found.get("resources") or ())


def _query(**values: object) -> dict[str, str]:
    return {key: str(value) for key, value in values.items() if value is not None}
