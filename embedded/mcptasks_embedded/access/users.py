"""Users: who makes a request."""

from __future__ import annotations

from dataclasses import dataclass, field

from mcptasks_embedded.values.json_object import Json


@dataclass(frozen=True, slots=True)
class User:
    """Who makes a request."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, list[str]] = field(default_factory=dict, hash=False)

    def info(self) -> Json:
        """`authentication.k8s.io/v1` UserInfo."""
        result: Json = {"username": self.name}
        if self.uid:
            result["uid"] = self.uid
        result["groups"] = list(self.groups)
        if self.extra:
            result["extra"] = self.extra
        return result


def service_account_groups(namespace: str) -> tuple[str, ...]:
    """The groups of every ServiceAccount of a namespace."""
    return "system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"


def service_account_user(name: str, groups: tuple[str, ...] = (), uid: str = "") -> User:
    """A user by name; that of a ServiceAccount also belongs to the groups of all of them and of its namespace's."""
    parts = name.split(":")
    if len(parts) == 4 and parts[:2] == ["system", "serviceaccount"]:
        own = service_account_groups(parts[2])
        groups = (*groups, *(group for group in own if group not in groups))
    return User(name, uid, groups)
