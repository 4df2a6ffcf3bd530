"""Whose a task is: the callers that are one and the same, and what each of them may see."""

from __future__ import annotations

from typing import TypeAlias

from mcptasks.model.base import JsonObject
from mcptasks.model.task import Principal

Owner: TypeAlias = tuple[str, str, str]
"""Client id, issuer and subject, empty where there is none: what makes two principals the same."""


def owner_key(principal: Principal) -> Owner:
    """The components that make two principals the same."""
    return principal.client_id or "", principal.issuer or "", principal.subject or ""


def caller_key(principal: Principal | None) -> Owner | None:
    """Who is one caller. Those without a token are one, too."""
    return None if principal is None else owner_key(principal)


def owner_of(item: JsonObject) -> Owner | None:
    """`caller_key` of the principal in a task's object, without parsing the whole of it."""
    principal = item["spec"].get("principal")
    if principal is None:
        return None
    return principal.get("clientId") or "", principal.get("issuer") or "", principal.get("subject") or ""
