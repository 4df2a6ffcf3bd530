"""Whose a task is: the callers that are one and the same, and what each of them may see."""

from __future__ import annotations

from typing import NamedTuple

from mcptasks.model.base import JsonObject
from mcptasks.model.task import Principal


class TaskOwner(NamedTuple):
    """What makes two principals the same; empty where there is none.

    A tuple, because a list of tasks compares one for each task in the cache.
    """

    client_id: str
    issuer: str
    subject: str


def owner_key(principal: Principal) -> TaskOwner:
    """What makes the principal the same as another."""
    return TaskOwner(principal.client_id or "", principal.issuer or "", principal.subject or "")


def caller_key(principal: Principal | None) -> TaskOwner | None:
    """Who is one caller. Those without a token are one, too."""
    return None if principal is None else owner_key(principal)


def owner_of(item: JsonObject) -> TaskOwner | None:
    """`caller_key` of the principal in a task's object, without parsing the whole of it."""
    principal = item["spec"].get("principal")
    if principal is None:
        return None
    return TaskOwner(principal.get("clientId") or "", principal.get("issuer") or "", principal.get("subject") or "")
