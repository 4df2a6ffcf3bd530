"""Which resource and verb a request's path, method and query name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mcptasks_embedded.access.rbac import Action
from mcptasks_embedded.kinds.kind_registry import KindRegistry
from mcptasks_embedded.values import errors
from mcptasks_embedded.values.api_kind import ApiKind

_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class ResourceTarget:
    """A resource request. `name` is empty for collections, `namespace` for cluster scope and for all namespaces.

    `selected` is the one name that a list or a watch is of, by its field selector.
    """

    kind: ApiKind
    verb: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    selected: str = ""

    @property
    def action(self) -> Action:
        namespace = self.namespace or (self.name if self.kind.plural == "namespaces" else "")
        return Action(
            self.verb, self.kind.group, self.kind.plural, self.subresource, namespace, self.name or self.selected
        )


def is_true(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "").lower() in ("1", "true", "t") or (name in query and query[name] == "")


def resource_target(registry: KindRegistry, method: str, path: str, query: Mapping[str, str]) -> ResourceTarget | None:
    """The resource that a path under /api/v1 or /apis/<group>/<version> names; None for other paths.

    Raises ApiError 404 for a resource that is not served, 405 for a method that it does not support.
    """
    parts = [part for part in path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, names = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, names = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if names[0] == "namespaces" and len(names) > 2 and names[2] not in ("status", "finalize"):
        namespace, names = names[1], names[2:]
    kind = registry.find(group, version, names[0])
    if kind is None or len(names) > 3 or (namespace and not kind.namespaced):
        raise errors.no_such_path()
    name, subresource = (*names[1:], "", "")[:2]
    _check_subresource(kind, subresource)
    verb = _verb(kind, method, name, subresource, query)
    selected = "" if name else _selected_name(query)
    return ResourceTarget(kind, verb, namespace, name, subresource, selected)


def _selected_name(query: Mapping[str, str]) -> str:
    """The name that a field selector is satisfied with alone. RBAC's `resourceNames` hold for such lists.

    https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources
    """
    field, _, name = query.get("fieldSelector", "").partition("=")
    return name.removeprefix("=") if field == "metadata.name" and "," not in name else ""


def _check_subresource(kind: ApiKind, subresource: str) -> None:
    known = kind.subresources + (("status",) if kind.status else ())
    if subresource and subresource not in known:
        raise errors.no_such_path()


def _verb(kind: ApiKind, method: str, name: str, subresource: str, query: Mapping[str, str]) -> str:
    verb = _VERBS.get(method)
    if verb is None:
        raise errors.method_not_allowed()
    if subresource in ("log", "eviction", "token"):
        if verb != ("get" if subresource == "log" else "create"):
            raise errors.method_not_allowed()
        return verb
    if not name:
        verb = {"get": "list", "delete": "deletecollection"}.get(verb, verb)
        if verb == "list" and is_true(query, "watch"):
            verb = "watch"
    if (bool(name) and verb == "create") or (not name and verb in ("update", "patch")) or verb not in kind.verbs:
        raise errors.method_not_allowed()
    return verb
