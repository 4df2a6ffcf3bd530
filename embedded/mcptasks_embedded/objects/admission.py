"""Admission: what must hold before an object is created. Its namespace exists, and so does a Pod's ServiceAccount."""

from __future__ import annotations

from collections.abc import Callable

from mcptasks_embedded.store.memory import ObjectStore
from mcptasks_embedded.values import errors
from mcptasks_embedded.values.api_kind import ApiKind
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.references import NAMESPACES, SERVICE_ACCOUNTS, Ref


class NamespaceLifecycle:
    """Refuses objects in a namespace that does not exist or is being deleted."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def __call__(self, kind: ApiKind, namespace: str, obj: Json) -> None:
        if not kind.namespaced:
            return
        entry = self._store.get(Ref(NAMESPACES, "", namespace))
        if entry is None:
            where = ApiKind("", "v1", "Namespace", "namespaces", namespaced=False)
            raise errors.not_found(where, namespace)
        if "deletionTimestamp" in entry.obj["metadata"]:
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            error = errors.forbidden(kind, obj["metadata"]["name"], why)
            cause = {"reason": "NamespaceTerminating", "field": "metadata.namespace"}
            cause["message"] = f"namespace {namespace} is being terminated"
            error.details["causes"] = [cause]
            raise error


class ServiceAccountExists:
    """Refuses Pods whose ServiceAccount is missing."""

    def __init__(self, store: ObjectStore, ensure_service_account: Callable[[str], None]) -> None:
        self._store = store
        self._ensure_service_account = ensure_service_account

    def __call__(self, kind: ApiKind, namespace: str, obj: Json) -> None:
        if (kind.group, kind.plural) != ("", "pods"):
            return
        name = obj["spec"]["serviceAccountName"]
        if name == "default":
            self._ensure_service_account(namespace)
        if self._store.get(Ref(SERVICE_ACCOUNTS, namespace, name)) is None:
            why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
            raise errors.forbidden(kind, obj["metadata"]["name"], why)
