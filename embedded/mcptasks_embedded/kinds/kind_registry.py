"""The kinds that are served: the built-in ones and those that CustomResourceDefinitions add."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mcptasks_embedded.values.api_kind import ApiKind, PrinterColumn
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.references import EVENTS, RBAC_GROUP, GroupResource

_REVIEW = ("create",)


def builtin_kinds() -> list[ApiKind]:
    """The built-in kinds, in the order of discovery."""
    return [*_core(), *_apps_and_batch(), *_policies(), *_reviews()]


def _core() -> Iterable[ApiKind]:
    yield ApiKind("", "v1", "Namespace", "namespaces", namespaced=False, short_names=("ns",), status=True)
    yield ApiKind("", "v1", "Node", "nodes", namespaced=False, short_names=("no",), status=True)
    pod_parts = ("log", "eviction")
    yield ApiKind(
        "",
        "v1",
        "Pod",
        "pods",
        short_names=("po",),
        categories=("all",),
        status=True,
        generation=True,
        subresources=pod_parts,
    )
    yield ApiKind("", "v1", "Event", "events", short_names=("ev",))
    yield ApiKind("", "v1", "Secret", "secrets")
    yield ApiKind("", "v1", "ConfigMap", "configmaps", short_names=("cm",))
    yield ApiKind("", "v1", "ServiceAccount", "serviceaccounts", short_names=("sa",), subresources=("token",))
    yield ApiKind("", "v1", "Service", "services", short_names=("svc",), categories=("all",), status=True)
    yield ApiKind("", "v1", "Endpoints", "endpoints", short_names=("ep",))
    yield ApiKind("", "v1", "ResourceQuota", "resourcequotas", short_names=("quota",), status=True)


def _apps_and_batch() -> Iterable[ApiKind]:
    yield ApiKind("batch", "v1", "Job", "jobs", categories=("all",), status=True, generation=True)
    yield ApiKind("coordination.k8s.io", "v1", "Lease", "leases")
    yield ApiKind("events.k8s.io", "v1", "Event", "events", short_names=("ev",), stored_as=EVENTS)
    yield ApiKind(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        namespaced=False,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        status=True,
        generation=True,
    )


def _policies() -> Iterable[ApiKind]:
    yield ApiKind(RBAC_GROUP, "v1", "Role", "roles")
    yield ApiKind(RBAC_GROUP, "v1", "RoleBinding", "rolebindings")
    yield ApiKind(RBAC_GROUP, "v1", "ClusterRole", "clusterroles", namespaced=False)
    yield ApiKind(RBAC_GROUP, "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False)


def _reviews() -> Iterable[ApiKind]:
    authn, authz = "authentication.k8s.io", "authorization.k8s.io"
    yield ApiKind(authn, "v1", "TokenReview", "tokenreviews", namespaced=False, verbs=_REVIEW)
    yield ApiKind(authn, "v1", "SelfSubjectReview", "selfsubjectreviews", namespaced=False, verbs=_REVIEW)
    yield ApiKind(authz, "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False, verbs=_REVIEW)
    yield ApiKind(authz, "v1", "SubjectAccessReview", "subjectaccessreviews", namespaced=False, verbs=_REVIEW)
    yield ApiKind(authz, "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews", namespaced=False, verbs=_REVIEW)


def kinds_of_crd(crd: Json) -> list[ApiKind]:
    """The served versions of a CustomResourceDefinition."""
    spec = crd["spec"]
    return [_kind_of_version(spec, version) for version in spec["versions"] if version.get("served")]


def _kind_of_version(spec: Json, version: Json) -> ApiKind:
    names = spec["names"]
    subresources = version.get("subresources") or {}
    return ApiKind(
        group=spec["group"],
        version=version["name"],
        kind=names["kind"],
        plural=names["plural"],
        namespaced=spec["scope"] == "Namespaced",
        singular=names.get("singular") or names["kind"].lower(),
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        status="status" in subresources,
        generation=True,
        custom=True,
        schema=(version.get("schema") or {}).get("openAPIV3Schema"),
        columns=tuple(_column(column) for column in version.get("additionalPrinterColumns") or ()),
        selectable=tuple(item["jsonPath"] for item in version.get("selectableFields") or ()),
    )


def _column(column: Json) -> PrinterColumn:
    return PrinterColumn(
        name=column["name"],
        type=column["type"],
        path=column["jsonPath"],
        format=column.get("format", ""),
        description=column.get("description", ""),
        priority=column.get("priority", 0),
    )


class KindRegistry:
    """Finds kinds by what a request or an object names."""

    def __init__(self) -> None:
        self._by_plural: dict[tuple[str, str, str], ApiKind] = {}
        self._by_kind: dict[tuple[str, str], ApiKind] = {}
        self._crds: dict[str, list[ApiKind]] = {}
        for kind in builtin_kinds():
            self._add(kind)

    def _add(self, kind: ApiKind) -> None:
        if not kind.singular:
            kind = replace(kind, singular=kind.kind.lower())
        self._by_plural[kind.group, kind.version, kind.plural] = kind
        self._by_kind[kind.api_version, kind.kind] = kind

    def find(self, group: str, version: str, plural: str) -> ApiKind | None:
        return self._by_plural.get((group, version, plural))

    def find_kind(self, api_version: str, kind: str) -> ApiKind | None:
        return self._by_kind.get((api_version, kind))

    def of(self, resource: GroupResource) -> ApiKind:
        """Any served version of a stored resource. Raises KeyError when none is served."""
        for kind in self._by_plural.values():
            if kind.storage == resource:
                return kind
        raise KeyError(resource)

    def all(self) -> list[ApiKind]:
        return list(self._by_plural.values())

    def set_crd(self, crd: Json) -> list[ApiKind]:
        """Serve the versions of `crd` from now on, in place of what it defined before."""
        name = crd["metadata"]["name"]
        self.drop_crd(name)
        kinds = kinds_of_crd(crd)
        for kind in kinds:
            self._add(kind)
        self._crds[name] = kinds
        return kinds

    def drop_crd(self, name: str) -> None:
        for kind in self._crds.pop(name, ()):
            self._by_plural.pop((kind.group, kind.version, kind.plural), None)
            self._by_kind.pop((kind.api_version, kind.kind), None)
