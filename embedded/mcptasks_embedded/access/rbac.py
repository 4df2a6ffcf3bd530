"""Role-based access control: evaluation of the stored roles and bindings.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/ (aggregated ClusterRoles are not implemented)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mcptasks_embedded.access.users import User
from mcptasks_embedded.store.memory import ObjectStore
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.references import RBAC_GROUP, GroupResource, Ref

_MASTERS = "system:masters"
_OPEN_PATHS = ("/healthz", "/livez", "/readyz", "/version", "/api", "/apis", "/openapi")
_OPEN_REVIEWS = frozenset({"selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"})


@dataclass(frozen=True, slots=True)
class Action:
    """What a request wants to do. `path` is set for requests that do not concern a resource."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def full_resource(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def _has(wanted: str, allowed: Iterable[str]) -> bool:
    return any(item in ("*", wanted) for item in allowed)


def _resource_matches(action: Action, resources: Iterable[str]) -> bool:
    for item in resources:
        if item in ("*", action.full_resource):
            return True
        if action.subresource and item == f"*/{action.subresource}":
            return True
    return False


def rule_allows(rule: Json, action: Action) -> bool:
    if not _has(action.verb, rule.get("verbs") or ()):
        return False
    if action.path:
        return any(_path_matches(action.path, pattern) for pattern in rule.get("nonResourceURLs") or ())
    if not _has(action.group, rule.get("apiGroups") or ()) or not _resource_matches(
        action, rule.get("resources") or ()
    ):
        return False
    names = rule.get("resourceNames") or ()
    return not names or action.name in names


def _path_matches(path: str, pattern: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern[:-1]))


def subject_matches(subject: Json, user: User, namespace: str) -> bool:
    kind, name = subject.get("kind"), subject.get("name")
    if kind == "User":
        return bool(user.name == name)
    if kind == "Group":
        return name in user.groups
    where = subject.get("namespace") or namespace
    return kind == "ServiceAccount" and user.name == f"system:serviceaccount:{where}:{name}"


class Authorizer:
    """Answers whether a user may do something, from the roles in the store."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def allows(self, user: User, action: Action) -> bool:
        if _MASTERS in user.groups or _open_to_all(action):
            return True
        return any(rule_allows(rule, action) for rule in self.rules_for(user, action.namespace))

    def rules_for(self, user: User, namespace: str) -> Iterator[Json]:
        """All rules that hold for `user` in `namespace` (cluster-wide ones only when it is empty)."""
        for binding in self._store.entries(GroupResource(RBAC_GROUP, "clusterrolebindings")):
            if _binds(binding.obj, user, ""):
                yield from self._role_rules(binding.obj, "")
        if namespace:
            for binding in self._store.entries(GroupResource(RBAC_GROUP, "rolebindings"), namespace):
                if _binds(binding.obj, user, namespace):
                    yield from self._role_rules(binding.obj, namespace)

    def _role_rules(self, binding: Json, namespace: str) -> list[Json]:
        reference = binding["roleRef"]
        plural = "clusterroles" if reference["kind"] == "ClusterRole" else "roles"
        ref = Ref(GroupResource(RBAC_GROUP, plural), "" if plural == "clusterroles" else namespace, reference["name"])
        role = self._store.get(ref)
        return list(role.obj.get("rules") or ()) if role else []


def _binds(binding: Json, user: User, namespace: str) -> bool:
    return any(subject_matches(subject, user, namespace) for subject in binding.get("subjects") or ())


def _open_to_all(action: Action) -> bool:
    """The roles system:discovery, system:basic-user and system:public-info-viewer, which every known user has."""
    if action.path:
        return action.verb == "get" and any(
            action.path == path or action.path.startswith(f"{path}/") for path in _OPEN_PATHS
        )
    return action.verb == "create" and action.resource in _OPEN_REVIEWS


def refusal(user: User, action: Action) -> str:
    """The text of a 403 after `... is forbidden: `."""
    if action.path:
        return f'User "{user.name}" cannot {action.verb} path "{action.path}"'
    scope = f'in the namespace "{action.namespace}"' if action.namespace else "at the cluster scope"
    what = f'cannot {action.verb} resource "{action.full_resource}" in API group "{action.group}" {scope}'
    return f'User "{user.name}" {what}'
