"""Reading and writing objects with the semantics of the API server; HTTP, authentication and RBAC are elsewhere.

The controllers and the kubelet call this directly, in the same event loop; every method is synchronous, hence atomic.
API conventions:
https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from mcptasks_embedded.kinds.api_types import ApiTypes
from mcptasks_embedded.kinds.builtin_strategies import builtin_strategies
from mcptasks_embedded.kinds.kind_registry import KindRegistry
from mcptasks_embedded.kinds.schema_validation import Rules, SchemaValidation
from mcptasks_embedded.kinds.strategy import Strategy
from mcptasks_embedded.kinds.structural_schema import prune, with_defaults
from mcptasks_embedded.objects import event_versions, object_meta, patches
from mcptasks_embedded.objects.options import DeleteOptions, Patch, WriteOptions
from mcptasks_embedded.objects.pages import ObjectPage
from mcptasks_embedded.objects.selectors import Selection
from mcptasks_embedded.objects.server_side_apply import Applier, apply
from mcptasks_embedded.store.memory import ObjectStore, StoreEntry
from mcptasks_embedded.values import errors, json_values, times
from mcptasks_embedded.values.api_kind import ApiKind
from mcptasks_embedded.values.errors import ApiError, FieldError
from mcptasks_embedded.values.references import EVENTS, LEASES, GroupResource, Ref

Json = dict[str, Any]

OBJECT_LIMIT = 1_572_864
FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
ORPHAN_WARNING = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or "
    "set propagationPolicy=Orphan to suppress this warning"
)
_UPSERT = frozenset({LEASES, EVENTS})


Admission = Callable[[ApiKind, str, Json], None]


class Objects:
    """The objects of one cluster."""

    def __init__(self, store: ObjectStore, registry: KindRegistry, rules: Rules) -> None:
        self.store = store
        self.types = ApiTypes()
        self.registry = registry
        self.rules = rules
        self.admissions: list[Admission] = []
        self.after_write: dict[GroupResource, Callable[[StoreEntry], None]] = {}
        self._strategies = builtin_strategies()
        self._plain = Strategy()

    def add_strategy(self, resource: GroupResource, strategy: Strategy) -> None:
        self._strategies[resource] = strategy

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
        entries = self.store.sorted_entries(kind.storage, namespace)
        if not selection.all:
            entries = [entry for entry in entries if selection.matches(entry.obj)]
        rv = self.store.rv
        if token:
            rv, start = self._decode_token(kind, token)
            entries = [entry for entry in entries if entry.ref[1:] > start]
        if not limit or len(entries) <= limit:
            return ObjectPage(entries, rv)
        rest = len(entries) - limit
        entries = entries[:limit]
        return ObjectPage(entries, rv, _encode_token(rv, entries[-1].ref), rest if selection.all else None)

    def _decode_token(self, kind: ApiKind, token: str) -> tuple[int, tuple[str, str]]:
        try:
            rv, namespace, name = json_values.loads(base64.urlsafe_b64decode(token))
            start = (str(namespace), str(name))
        except ValueError:
            raise errors.bad_request("continue key is not valid") from None
        if rv < self.store.bucket(kind.storage).compacted:
            message = (
                "The provided continue parameter is too old to display a consistent list result. You can start a new "
                "list without the continue parameter, or use the continue token in this response to retrieve the "
                "remainder of the results. Continuing with the provided token results in an inconsistent list."
            )
            raise errors.expired(message)
        return int(rv), start

    # --- create ---

    def create(self, kind: ApiKind, namespace: str, body: Json, options: WriteOptions | None = None) -> StoreEntry:
        options = options or WriteOptions()
        obj = dict(self._stored_form(kind, body))
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
        strategy = self._strategies.get(kind.storage, self._plain)
        if obj["metadata"].get("name"):
            strategy.prepare(obj)
        obj = self._finish(kind, obj, None, unknown, options)
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

    def _finish(self, kind: ApiKind, obj: Json, old: Json | None, unknown: list[str], options: WriteOptions) -> Json:
        """Prune, default and validate. `old` is None on create."""
        strategy = self._strategies.get(kind.storage, self._plain)
        strategy.normalise(obj)
        if kind.schema is not None:
            obj = with_defaults(prune(obj, kind.schema, unknown), kind.schema)
        elif (message := self.types.message(kind.group, kind.kind)) is not None:
            obj = self._typed(kind, obj, message, unknown)
        self._report_unknown(kind, unknown, options)
        found = object_meta.errors(obj["metadata"], kind, old["metadata"] if old else None)
        found += strategy.validate(obj, old)
        if kind.schema is not None:
            found += SchemaValidation(self.rules).run(obj, old, kind.schema)
        if found:
            raise errors.invalid(kind, obj["metadata"].get("name", ""), found)
        if len(json_values.dumps(obj)) > OBJECT_LIMIT:
            raise ApiError(500, "", "etcdserver: request is too large")
        return obj

    def _typed(self, kind: ApiKind, obj: Json, message: str, unknown: list[str]) -> Json:
        try:
            return self.types.clean(obj, message, unknown)
        except errors.ApiError as error:
            raise errors.bad_request(f"{_cannot_be_handled(kind)}: {error.message}") from None

    def _report_unknown(self, kind: ApiKind, unknown: list[str], options: WriteOptions) -> None:
        if not unknown or options.field_validation == "Ignore":
            return
        texts = [f'unknown field "{path}"' for path in unknown]
        if options.field_validation == "Warn":
            options.warnings += texts
            return
        raise errors.bad_request(f"{_cannot_be_handled(kind)}: strict decoding error: {', '.join(texts)}")

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
        current = self.convert(kind, entry.obj)
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
        live = self.convert(kind, entry.obj) if entry else None
        merged = apply(live, body, kind.schema, who, times.stamp())
        if entry is None:
            return self.create(kind, ref.namespace, merged, options), True
        return self._write(kind, entry, merged, subresource, options), False

    def _write(
        self, kind: ApiKind, entry: StoreEntry, body: Json, subresource: str, options: WriteOptions
    ) -> StoreEntry:
        old = self.convert(kind, entry.obj)
        unknown: list[str] = []
        metadata = object_meta.clean(body.get("metadata") or {}, unknown)
        self._check_versions(kind, metadata, old["metadata"])
        new = self._merged(kind, body, metadata, old, subresource)
        new = self._finish(kind, new, old, unknown, options)
        if kind.generation and object_meta.spec_changed(new, old, kind.status):
            generation = old["metadata"].get("generation", 0) + 1
            new["metadata"] = {**new["metadata"], "generation": generation}
        if json_values.equal(new, old):
            return entry
        if options.dry_run:
            return StoreEntry(entry.ref, new, entry.rv)
        new = self._stored_form(kind, new)
        if "deletionTimestamp" in new["metadata"] and self._may_vanish(new):
            return self.store.remove(entry.ref, new) or entry
        return self._put(entry.ref, new)

    def _put(self, ref: Ref, obj: Json) -> StoreEntry:
        entry = self.store.put(ref, obj)
        hook = self.after_write.get(ref.resource)
        if hook is not None:
            hook(entry)
        return entry

    def _check_versions(self, kind: ApiKind, metadata: Json, old: Json) -> None:
        uid = metadata.get("uid")
        if uid and uid != old["uid"]:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['uid']}"
            raise errors.conflict(kind, old["name"], why)
        version = metadata.get("resourceVersion")
        if version and version != old["resourceVersion"]:
            raise errors.modified(kind, old["name"])

    def _merged(self, kind: ApiKind, body: Json, metadata: Json, old: Json, subresource: str) -> Json:
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

    def _may_vanish(self, obj: Json) -> bool:
        metadata = obj["metadata"]
        if metadata.get("finalizers") or (obj["kind"] == "Namespace" and (obj.get("spec") or {}).get("finalizers")):
            return False
        return not metadata.get("deletionGracePeriodSeconds")

    # --- delete ---

    def delete(
        self, kind: ApiKind, namespace: str, name: str, options: DeleteOptions | None = None
    ) -> tuple[StoreEntry, bool]:
        """The object's last state, and whether it is gone already. Raises ApiError 404, 409 (preconditions)."""
        options = options or DeleteOptions()
        entry = self.get(kind, namespace, name)
        self._check_preconditions(kind, entry.obj["metadata"], options)
        new = self._marked(kind, entry, options)
        gone = self._may_vanish(new)
        if options.dry_run:
            return entry, gone
        if gone:
            return self.store.remove(entry.ref, new) or entry, True
        if json_values.equal(new, entry.obj):
            return entry, False
        return self.store.put(entry.ref, new), False

    def _check_preconditions(self, kind: ApiKind, metadata: Json, options: DeleteOptions) -> None:
        # Unlike in other messages, the resource is named by its kind here.
        named = replace(kind, plural=kind.kind)
        if options.uid is not None and options.uid != metadata["uid"]:
            why = f"the UID in the precondition ({options.uid}) does not match the UID in record ({metadata['uid']}). "
            why += "The object might have been deleted and then recreated"
            raise errors.conflict(named, metadata["name"], why)
        version = options.resource_version
        if version is not None and version != metadata["resourceVersion"]:
            why = f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record "
            why += f"({metadata['resourceVersion']}). The object might have been modified"
            raise errors.conflict(named, metadata["name"], why)

    def _marked(self, kind: ApiKind, entry: StoreEntry, options: DeleteOptions) -> Json:
        """The object with deletionTimestamp, grace period and the finalizers that its propagation policy asks for."""
        obj = entry.obj
        metadata = {**obj["metadata"]}
        finalizers = self._finalizers(kind, metadata, options)
        grace = _grace_period(kind, obj, options.grace)
        if finalizers:
            metadata["finalizers"] = finalizers
        else:
            metadata.pop("finalizers", None)
        if "deletionTimestamp" not in metadata:
            metadata["deletionTimestamp"] = times.stamp(times.now() + timedelta(seconds=grace))
            metadata["deletionGracePeriodSeconds"] = grace
            if "generation" in metadata:
                metadata["generation"] += 1
        elif grace < metadata.get("deletionGracePeriodSeconds", 0):
            metadata["deletionGracePeriodSeconds"] = grace
            metadata["deletionTimestamp"] = times.stamp(times.now() + timedelta(seconds=grace))
        marked = {**obj, "metadata": metadata}
        if kind.plural == "namespaces" and not kind.group:
            marked["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
        return marked

    def _finalizers(self, kind: ApiKind, metadata: Json, options: DeleteOptions) -> list[str]:
        propagation = options.propagation
        present = list(metadata.get("finalizers") or ())
        if propagation is None and (kind.group, kind.plural) == ("batch", "jobs"):
            options.warnings.append(ORPHAN_WARNING)
            propagation = "Orphan"
        if propagation is None:
            return present
        kept = [item for item in present if item not in (FOREGROUND, ORPHAN)]
        extra = {"Foreground": [FOREGROUND], "Orphan": [ORPHAN]}.get(propagation, [])
        return kept + extra

    # --- in-process writers ---

    def set_status(self, kind: ApiKind, entry: StoreEntry, status: Json) -> StoreEntry:
        """Replace the status of the current version of an object. Raises ApiError 404 when it is gone."""
        current = self.get(kind, entry.ref.namespace, entry.ref.name)
        return self._write(kind, current, {"metadata": {}, "status": status}, "status", WriteOptions())

    def merge(self, kind: ApiKind, entry: StoreEntry, body: Json) -> StoreEntry:
        return self.patch(kind, entry.ref, Patch("merge", body))[0]

    def bind(self, kind: ApiKind, ref: Ref, node: str) -> StoreEntry:
        """Give a Pod its node, as `pods/binding` does: it does not count as a change of the spec."""
        obj = self.get(kind, ref.namespace, ref.name).obj
        return self._put(ref, {**obj, "spec": {**obj["spec"], "nodeName": node}})

    def finalize_namespace(self, entry: StoreEntry) -> None:
        """Let a namespace go, as its `finalize` subresource does."""
        obj = {**entry.obj, "spec": {}}
        self.store.remove(entry.ref, obj)

    # --- versions ---

    def convert(self, kind: ApiKind, obj: Json) -> Json:
        """`obj` in the version of `kind`: custom resources convert with strategy None."""
        if obj.get("apiVersion") == kind.api_version:
            return obj
        if kind.storage == EVENTS:
            return event_versions.to_new(obj) if kind.group else event_versions.to_core(obj)
        return {**obj, "apiVersion": kind.api_version}

    def _stored_form(self, kind: ApiKind, obj: Json) -> Json:
        return event_versions.to_core(obj) if kind.storage == EVENTS and kind.group else obj


def _grace_period(kind: ApiKind, obj: Json, asked: int | None) -> int:
    if kind.plural != "pods" or kind.group:
        return 0
    grace = asked if asked is not None else obj["spec"].get("terminationGracePeriodSeconds", 30)
    finished = (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    if not obj["spec"].get("nodeName") or finished:
        return 0
    return max(int(grace), 0)


def _encode_token(rv: int, ref: Ref) -> str:
    return base64.urlsafe_b64encode(json_values.dumps([rv, ref.namespace, ref.name])).decode()


def _cannot_be_handled(kind: ApiKind) -> str:
    return f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}'
