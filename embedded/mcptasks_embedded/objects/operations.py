"""Objects, read and written with the semantics of the API server; HTTP, authentication and RBAC are elsewhere.

The controllers and the kubelet call this directly, in the same event loop; every method is synchronous, hence atomic.

https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md
"""

from __future__ import annotations

from collections.abc import Callable

from mcptasks_embedded.kinds.api_types import ApiTypes
from mcptasks_embedded.kinds.kind_registry import KindRegistry
from mcptasks_embedded.kinds.schema_validation import Rules
from mcptasks_embedded.objects import object_meta, patches
from mcptasks_embedded.objects.deletion import check_preconditions, is_removable, marked_for_deletion
from mcptasks_embedded.objects.options import DeleteOptions, Patch, WriteOptions
from mcptasks_embedded.objects.pages import ObjectPage, decode_token, page_of, token_expired
from mcptasks_embedded.objects.selectors import Selection
from mcptasks_embedded.objects.server_side_apply import Applier, apply
from mcptasks_embedded.objects.versions import convert, stored_form
from mcptasks_embedded.objects.write_rules import WriteRules
from mcptasks_embedded.store.changes import StoreEntry
from mcptasks_embedded.store.memory import ObjectStore
from mcptasks_embedded.values import errors, json_values, times
from mcptasks_embedded.values.api_kind import ApiKind
from mcptasks_embedded.values.errors import ApiError, FieldError
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.references import EVENTS, LEASES, GroupResource, Ref

_UPSERT = frozenset({LEASES, EVENTS})

#: Called before an object is created; refuses it by raising ApiError.
Admission = Callable[[ApiKind, str, Json], None]


class Objects:
    """The objects of one cluster. `rules` are the equivalents of the CRDs' validation rules."""

    def __init__(self, store: ObjectStore, registry: KindRegistry, rules: Rules) -> None:
        self.store = store
        self.types = ApiTypes()
        self.registry = registry
        self.admissions: list[Admission] = []
        self.after_write: dict[GroupResource, Callable[[StoreEntry], None]] = {}
        self._rules = WriteRules(self.types, rules)

    def kind(self, api_version: str, kind: str) -> ApiKind:
        found = self.registry.find_kind(api_version, kind)
        if found is None:
            raise LookupError(f"{kind} of {api_version} is not served")
        return found

    # --- reading ---

    def get(self, kind: ApiKind, namespace: str, name: str) -> StoreEntry:
        entry = self.store.get(kind.ref(namespace, name))
        if entry is None:
            raise errors.not_found(kind, name)
        return entry

    def page(self, kind: ApiKind, namespace: str, selection: Selection, limit: int = 0, token: str = "") -> ObjectPage:
        """The selected objects by namespace and name, `limit` of them (0: all) from `token` on."""
        entries = self.store.sorted_entries(kind.storage, namespace)
        selected = entries if selection.all else [entry for entry in entries if selection.matches(entry.obj)]
        if not token:
            return page_of(selected, self.store.rv, limit, counted=selection.all)
        start = decode_token(token)
        if start.rv < self.store.bucket(kind.storage).compacted:
            raise token_expired()
        following = [entry for entry in selected if start.before(entry.ref)]
        return page_of(following, start.rv, limit, counted=selection.all)

    # --- create ---

    def create(self, kind: ApiKind, namespace: str, body: Json, options: WriteOptions | None = None) -> StoreEntry:
        options = options or WriteOptions()
        obj = dict(stored_form(kind, body))
        if kind.storage == EVENTS:
            kind = self.kind("v1", "Event")
        obj["apiVersion"], obj["kind"] = kind.api_version, kind.kind
        unknown: list[str] = []
        metadata = object_meta.clean(obj.get("metadata") or {}, unknown)
        if metadata.get("resourceVersion"):
            raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
        obj["metadata"] = object_meta.for_create(metadata, kind, namespace)
        if kind.status and kind.custom:
            obj.pop("status", None)
        if obj["metadata"].get("name"):
            self._rules.prepare(kind, obj)
        obj = self._rules.complete(kind, obj, None, unknown, options)
        self._admit(kind, namespace, obj)
        ref = kind.ref(namespace, obj["metadata"]["name"])
        if self.store.get(ref) is not None:
            raise errors.already_exists(kind, ref.name)
        if options.dry_run:
            return StoreEntry(ref, obj, 0)
        return self._put(ref, obj)

    def _admit(self, kind: ApiKind, namespace: str, obj: Json) -> None:
        for admission in self.admissions:
            admission(kind, namespace, obj)

    # --- update ---

    def update(
        self, kind: ApiKind, namespace: str, body: Json, subresource: str = "", options: WriteOptions | None = None
    ) -> StoreEntry:
        """PUT. Raises ApiError 404, 409 (stale resourceVersion), 422."""
        options = options or WriteOptions()
        name = (body.get("metadata") or {}).get("name", "")
        entry = self.store.get(kind.ref(namespace, name))
        if entry is None:
            if kind.storage in _UPSERT and not subresource:
                return self.create(kind, namespace, body, options)
            raise errors.not_found(kind, name)
        if kind.custom and not (body.get("metadata") or {}).get("resourceVersion"):
            detail = "must be specified for an update"
            why = FieldError("FieldValueInvalid", "metadata.resourceVersion", detail, "0x0")
            raise errors.invalid(kind, name, [why])
        return self._write(kind, entry, body, subresource, options)

    def patch(
        self, kind: ApiKind, ref: Ref, change: Patch, subresource: str = "", options: WriteOptions | None = None
    ) -> tuple[StoreEntry, bool]:
        """PATCH; the flag says that server-side apply created the object."""
        options = options or WriteOptions()
        entry = self.store.get(ref)
        if change.type == "apply":
            return self._apply(kind, ref, entry, change.body, subresource, options)
        if entry is None:
            raise errors.not_found(kind, ref.name)
        current = convert(kind, entry.obj)
        if change.type == "json":
            body = patches.json_patch(current, change.body)
        elif change.type == "strategic":
            body = patches.strategic(current, change.body)
        else:
            body = patches.merge(current, change.body)
        if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict):
            raise errors.bad_request("the patched object is not a valid object")
        return self._write(kind, entry, json_values.normalise(body), subresource, options), False

    def _apply(
        self, kind: ApiKind, ref: Ref, entry: StoreEntry | None, body: Json, subresource: str, options: WriteOptions
    ) -> tuple[StoreEntry, bool]:
        if entry is None and subresource:
            raise errors.not_found(kind, ref.name)
        if (body.get("metadata") or {}).get("managedFields"):
            raise errors.bad_request("metadata.managedFields must be nil")
        who = Applier(options.field_manager, options.force, subresource)
        if subresource:
            body = {
                name: value for name, value in body.items() if name in ("apiVersion", "kind", "metadata", subresource)
            }
        live = convert(kind, entry.obj) if entry else None
        merged = apply(live, body, kind.schema, who, times.stamp())
        if entry is None:
            return self.create(kind, ref.namespace, merged, options), True
        return self._write(kind, entry, merged, subresource, options), False

    def _write(
        self, kind: ApiKind, entry: StoreEntry, body: Json, subresource: str, options: WriteOptions
    ) -> StoreEntry:
        old = convert(kind, entry.obj)
        unknown: list[str] = []
        metadata = object_meta.clean(body.get("metadata") or {}, unknown)
        _check_version(kind, metadata, old["metadata"])
        new = _merged(kind, body, metadata, old, subresource)
        new = self._rules.complete(kind, new, old, unknown, options)
        if kind.generation and object_meta.spec_changed(new, old, kind.status):
            generation = old["metadata"].get("generation", 0) + 1
            new["metadata"] = {**new["metadata"], "generation": generation}
        if json_values.equal_as_encoded(new, old):
            return entry
        if options.dry_run:
            return StoreEntry(entry.ref, new, entry.rv)
        new = stored_form(kind, new)
        if "deletionTimestamp" in new["metadata"] and is_removable(new):
            return self.store.remove(entry.ref, new) or entry
        return self._put(entry.ref, new)

    def _put(self, ref: Ref, obj: Json) -> StoreEntry:
        entry = self.store.put(ref, obj)
        hook = self.after_write.get(ref.resource)
        if hook is not None:
            hook(entry)
        return entry

    # --- delete ---

    def delete(
        self, kind: ApiKind, namespace: str, name: str, options: DeleteOptions | None = None
    ) -> tuple[StoreEntry, bool]:
        """The object's last state, and whether it is gone already. Raises ApiError 404, 409 (preconditions)."""
        options = options or DeleteOptions()
        entry = self.get(kind, namespace, name)
        check_preconditions(kind, entry.obj["metadata"], options)
        new = marked_for_deletion(kind, entry.obj, options)
        gone = is_removable(new)
        if options.dry_run:
            return entry, gone
        if gone:
            return self.store.remove(entry.ref, new) or entry, True
        if json_values.equal_as_encoded(new, entry.obj):
            return entry, False
        return self.store.put(entry.ref, new), False

    # --- in-process writers ---

    def set_status(self, kind: ApiKind, entry: StoreEntry, status: Json) -> StoreEntry:
        """Replace the status of the current version of an object. Raises ApiError 404 when it is gone."""
        current = self.get(kind, entry.ref.namespace, entry.ref.name)
        return self._write(kind, current, {"metadata": {}, "status": status}, "status", WriteOptions())

    def merge(self, kind: ApiKind, entry: StoreEntry, body: Json) -> StoreEntry:
        """Merge `body` into the current version of an object. Raises ApiError 404 when it is gone."""
        return self.patch(kind, entry.ref, Patch("merge", body))[0]

    def remove_finalizer(self, kind: ApiKind, ref: Ref, finalizer: str) -> None:
        """Take a finalizer from an object, if it is still there."""
        entry = self.store.get(ref)
        if entry is not None:
            kept = [item for item in entry.obj["metadata"].get("finalizers") or () if item != finalizer]
            self.merge(kind, entry, {"metadata": {"finalizers": kept or None}})

    def bind(self, kind: ApiKind, ref: Ref, node: str) -> StoreEntry:
        """Give a Pod its node, as `pods/binding` does: this does not count as a change of the spec."""
        obj = self.get(kind, ref.namespace, ref.name).obj
        return self._put(ref, {**obj, "spec": {**obj["spec"], "nodeName": node}})

    def finalize_namespace(self, entry: StoreEntry) -> None:
        """Let a namespace go, as its `finalize` subresource does."""
        obj = {**entry.obj, "spec": {}}
        self.store.remove(entry.ref, obj)


def _check_version(kind: ApiKind, metadata: Json, old: Json) -> None:
    """Raises ApiError 409 when the client means another object, or another version of it."""
    uid = metadata.get("uid")
    if uid and uid != old["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['uid']}"
        raise errors.conflict(kind, old["name"], why)
    version = metadata.get("resourceVersion")
    if version and version != old["resourceVersion"]:
        raise errors.modified(kind, old["name"])


def _merged(kind: ApiKind, body: Json, metadata: Json, old: Json, subresource: str) -> Json:
    """The stored object with what the client wrote: one subresource, or everything but the status."""
    if subresource:
        new = dict(old)
        if subresource in body:
            new[subresource] = body[subresource]
        if "managedFields" in metadata:
            new["metadata"] = {**old["metadata"], "managedFields": metadata["managedFields"]}
        return new
    new = {**body, "apiVersion": kind.api_version, "kind": kind.kind}
    new["metadata"] = object_meta.for_update(metadata, old["metadata"])
    if kind.status:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]
    return new
