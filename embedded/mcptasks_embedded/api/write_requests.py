"""Requests that write: create, update, patch and delete. Reviews come as creates, too."""

from __future__ import annotations

from aiohttp import web

from mcptasks_embedded.access.users import User
from mcptasks_embedded.api import bodies
from mcptasks_embedded.api.bodies import selection_of
from mcptasks_embedded.api.object_protobuf import ObjectDecoder
from mcptasks_embedded.api.replies import list_body, reply, reply_object, reply_raw
from mcptasks_embedded.api.reviews import Reviews
from mcptasks_embedded.api.routes import ResourceTarget
from mcptasks_embedded.objects.operations import Objects
from mcptasks_embedded.objects.options import DeleteOptions
from mcptasks_embedded.values import errors
from mcptasks_embedded.values.api_kind import ApiKind
from mcptasks_embedded.values.json_object import Json


class WriteRequests:
    """Answers create, update, patch, delete and deletecollection."""

    def __init__(self, objects: Objects, reviews: Reviews) -> None:
        self._objects = objects
        self._reviews = reviews
        self._decoder = ObjectDecoder(objects.types)

    async def answer(self, request: web.Request, target: ResourceTarget, user: User) -> web.Response:
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
            return reply(self._reviews.evict(target.namespace, target.name, body), 201)
        if target.subresource == "token":
            return reply(self._reviews.token_request(target.namespace, target.name, body), 201)
        bodies.check_identity(body, kind.api_version, kind.kind, target.namespace, "")
        if kind.custom:
            bodies.check_typed(body, kind.kind)
        if kind.verbs == ("create",):
            return reply(self._reviews.review(kind, user, body), 201)
        options = bodies.write_options(request.query)
        entry = self._objects.create(kind, target.namespace, body, options)
        return reply_object(request, kind, entry, 201, options.warnings)

    async def _update(self, request: web.Request, target: ResourceTarget) -> web.Response:
        body = await bodies.read_object(request, self._decoder)
        kind = target.kind
        bodies.check_identity(body, kind.api_version, kind.kind, target.namespace, target.name)
        metadata = {**(body.get("metadata") or {}), "name": target.name}
        options = bodies.write_options(request.query)
        existed = self._objects.store.get(kind.ref(target.namespace, target.name)) is not None
        body = {**body, "metadata": metadata}
        entry = self._objects.update(kind, target.namespace, body, target.subresource, options)
        return reply_object(request, kind, entry, 200 if existed else 201, options.warnings)

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
        return reply_object(request, kind, entry, 201 if created else 200, options.warnings)

    async def _delete(self, request: web.Request, target: ResourceTarget) -> web.Response:
        options = await bodies.read_delete_options(request, self._decoder)
        kind = target.kind
        if target.verb == "deletecollection":
            return self._delete_collection(request, target, options)
        entry, gone = self._objects.delete(kind, target.namespace, target.name, options)
        if gone and kind.plural not in ("pods", "services"):
            body = errors.success(kind, target.name, entry.obj["metadata"]["uid"])
            return reply(body, 200, options.warnings)
        return reply_object(request, kind, entry, 200, options.warnings)

    def _delete_collection(self, request: web.Request, target: ResourceTarget, options: DeleteOptions) -> web.Response:
        selection = selection_of(request.query, target.kind)
        page = self._objects.page(target.kind, target.namespace, selection)
        for entry in page.entries:
            self._objects.delete(target.kind, entry.ref.namespace, entry.ref.name, options)
        body = list_body(target.kind, page, {"resourceVersion": str(self._objects.store.rv)})
        return reply_raw(body, 200, list(dict.fromkeys(options.warnings)))


def _check_apply(body: Json, target: ResourceTarget, manager: str) -> None:
    kind = target.kind
    if not manager:
        where = ApiKind("meta.k8s.io", "v1", "PatchOptions", "patchoptions")
        raise errors.invalid(where, "", [errors.required("fieldManager", "is required for apply patch")])
    if not body.get("apiVersion") or not body.get("kind"):
        raise errors.bad_request("apiVersion and kind must be set in an apply configuration")
    bodies.check_identity(body, kind.api_version, kind.kind, target.namespace, target.name)
    body["metadata"] = {**(body.get("metadata") or {}), "name": target.name}
