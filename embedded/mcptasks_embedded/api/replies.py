"""What requests are answered with: objects, lists, tables, errors."""

from __future__ import annotations

from aiohttp import web

from mcptasks_embedded.api import tables
from mcptasks_embedded.objects.object_meta import partial_object
from mcptasks_embedded.objects.pages import ObjectPage
from mcptasks_embedded.objects.versions import encoded
from mcptasks_embedded.store.changes import StoreEntry
from mcptasks_embedded.values import json_values
from mcptasks_embedded.values.api_kind import ApiKind
from mcptasks_embedded.values.json_object import Json

JSON_TYPE = "application/json"


def reply(body: Json, code: int = 200, warnings: list[str] | None = None) -> web.Response:
    """An answer with this body. Each warning is a header that kubectl prints."""
    return reply_raw(json_values.dumps(body), code, warnings)


def reply_raw(body: bytes, code: int = 200, warnings: list[str] | None = None) -> web.Response:
    """The same for a body that is encoded already."""
    response = web.Response(body=body, status=code, content_type=JSON_TYPE)
    for text in warnings or ():
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{escaped}"')
    return response


def wants(request: web.Request, name: str) -> bool:
    """Whether the first acceptable form is `as=<name>`."""
    first = request.headers.get("Accept", "").split(",")[0]
    return f"as={name}" in first


def _joined(items: list[bytes], kind: str, api_version: str, metadata: Json) -> bytes:
    head = json_values.dumps({"kind": kind, "apiVersion": api_version, "metadata": metadata})
    return head[:-1] + b',"items":[' + b",".join(items) + b"]}"


def reply_object(
    request: web.Request, kind: ApiKind, entry: StoreEntry, code: int = 200, warnings: list[str] | None = None
) -> web.Response:
    """One object, in the form that the request asks for."""
    if wants(request, "Table"):
        metadata = {"resourceVersion": str(entry.rv)}
        include = request.query.get("includeObject", "Metadata")
        return reply(tables.table(kind, [entry], metadata, include), code, warnings)
    if wants(request, "PartialObjectMetadata"):
        return reply(partial_object(entry.obj), code, warnings)
    return reply_raw(encoded(kind, entry), code, warnings)


def reply_list(request: web.Request, kind: ApiKind, page: ObjectPage) -> web.Response:
    """The answer to a list request, in the form that it asks for."""
    metadata = _list_metadata(page)
    if wants(request, "Table"):
        return reply(tables.table(kind, page.entries, metadata, request.query.get("includeObject", "Metadata")))
    if wants(request, "PartialObjectMetadataList"):
        items = [json_values.dumps(partial_object(entry.obj)) for entry in page.entries]
        return reply_raw(_joined(items, "PartialObjectMetadataList", "meta.k8s.io/v1", metadata))
    return reply_raw(list_body(kind, page, metadata))


def list_body(kind: ApiKind, page: ObjectPage, metadata: Json) -> bytes:
    """A plain list, made of the objects' stored bytes where these have the requested version."""
    items = [encoded(kind, entry) for entry in page.entries]
    return _joined(items, kind.list_kind, kind.api_version, metadata)


def _list_metadata(page: ObjectPage) -> Json:
    metadata: Json = {"resourceVersion": str(page.rv)}
    if page.token:
        metadata["continue"] = page.token
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
    return metadata
