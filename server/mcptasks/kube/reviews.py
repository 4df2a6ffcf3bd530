"""Who a token stands for, and what a user may do: questions that the API server answers for others.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

from dataclasses import dataclass

from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.kinds import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Resource
from mcptasks.model.base import JsonObject


@dataclass(frozen=True)
class KubeUser:
    """A user as the API server's authorizers see them."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class AccessRequest:
    """What a user wants to do: a verb on a resource, in one namespace or, where that is None, in all."""

    verb: str
    resource: Resource
    subresource: str | None = None
    namespace: str | None = None

    def attributes(self) -> JsonObject:
        """The `resourceAttributes` of a SubjectAccessReview."""
        found = {
            "verb": self.verb,
            "group": self.resource.group,
            "resource": self.resource.plural,
            "subresource": self.subresource,
            "namespace": self.namespace,
        }
        return {key: value for key, value in found.items() if value}


async def review_token(kube: KubeClient, token: str) -> KubeUser | None:
    """The user that the token stands for at this API server; None where it is not valid. Raises KubeError."""
    body = {"apiVersion": TOKEN_REVIEWS.api_version, "kind": "TokenReview", "spec": {"token": token}}
    status = (await kube.create(TOKEN_REVIEWS, body)).get("status") or {}
    user = status.get("user") or {}
    if not status.get("authenticated") or not user.get("username"):
        return None
    extra = tuple((key, tuple(values or ())) for key, values in sorted((user.get("extra") or {}).items()))
    return KubeUser(user["username"], tuple(user.get("groups") or ()), user.get("uid") or "", extra)


async def review_access(kube: KubeClient, user: KubeUser, wanted: AccessRequest) -> bool:
    """Whether the user may do this. Raises KubeError."""
    spec: JsonObject = {
        "user": user.name,
        "groups": list(user.groups),
        "uid": user.uid,
        "extra": {key: list(values) for key, values in user.extra},
        "resourceAttributes": wanted.attributes(),
    }
    body = {"apiVersion": SUBJECT_ACCESS_REVIEWS.api_version, "kind": "SubjectAccessReview", "spec": spec}
    answer = await kube.create(SUBJECT_ACCESS_REVIEWS, body)
    return bool((answer.get("status") or {}).get("allowed"))
