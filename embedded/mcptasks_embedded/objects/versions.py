"""The API versions of an object: all are served from the one that is stored.

Custom resources convert with strategy None. Events are stored as core/v1 and served as events.k8s.io/v1 too.
"""

from __future__ import annotations

from mcptasks_embedded.store.changes import StoreEntry
from mcptasks_embedded.values import json_values
from mcptasks_embedded.values.api_kind import ApiKind
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.references import EVENTS

_TO_NEW = {
    "involvedObject": "regarding",
    "message": "note",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "source": "deprecatedSource",
    "reportingComponent": "reportingController",
}
_TO_CORE = {new: core for core, new in _TO_NEW.items()}


def _to_new(event: Json) -> Json:
    """core/v1 to events.k8s.io/v1."""
    return {**{_TO_NEW.get(name, name): value for name, value in event.items()}, "apiVersion": "events.k8s.io/v1"}


def _to_core(event: Json) -> Json:
    """events.k8s.io/v1 to core/v1."""
    return {**{_TO_CORE.get(name, name): value for name, value in event.items()}, "apiVersion": "v1"}


def convert(kind: ApiKind, obj: Json) -> Json:
    """A stored object in the version of `kind`; the same object where that is its version already."""
    if obj.get("apiVersion") == kind.api_version:
        return obj
    if kind.storage == EVENTS:
        return _to_new(obj) if kind.group else _to_core(obj)
    return {**obj, "apiVersion": kind.api_version}


def encoded(kind: ApiKind, entry: StoreEntry) -> bytes:
    """The JSON of a stored object in the version of `kind`."""
    obj = convert(kind, entry.obj)
    return entry.raw if obj is entry.obj else json_values.dumps(obj)


def stored_form(kind: ApiKind, obj: Json) -> Json:
    """An object of `kind` as it is stored."""
    return _to_core(obj) if kind.storage == EVENTS and kind.group else obj
