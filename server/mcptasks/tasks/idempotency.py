"""Repeated calls: the same key, from the same caller, to the same component of the same server, is the same task.

No database: the key decides the name of the task's object, and the API server refuses a second one of that name. Pure.
"""

from __future__ import annotations

import hashlib
import json

from mcptasks.model.base import JsonObject
from mcptasks.model.task import Principal
from mcptasks.tasks.calls import Call
from mcptasks.tasks.owners import owner_key
from mcptasks.tasks.service_errors import InvalidCallError

MAX_KEY_CHARACTERS = 256
MIN_ANONYMOUS_CHARACTERS = 32
"""Callers without a token cannot be told apart, and whoever knows an id sees the task: their key must be as hard to
guess as an id. A UUID has 36 characters."""


def check_key(key: str, principal: Principal | None, single_user: bool) -> None:
    """Raises InvalidCallError for a key that cannot be used, with what to send instead."""
    if not 1 <= len(key) <= MAX_KEY_CHARACTERS:
        raise InvalidCallError(
            f"The idempotency key has {len(key)} characters: use 1 to {MAX_KEY_CHARACTERS}, for example a UUID"
        )
    if principal is None and not single_user and len(key) < MIN_ANONYMOUS_CHARACTERS:
        raise InvalidCallError(
            f"The idempotency key is too short for a caller without authentication: use a random one of at least "
            f"{MIN_ANONYMOUS_CHARACTERS} characters, for example a UUID"
        )


def parts(server: str, call: Call, key: str) -> tuple[str, ...]:
    """What together decides the task: server, component, principal and key."""
    principal = call.principal
    who = ("anonymous",) if principal is None else ("principal", *owner_key(principal))
    return server, call.component.kind.value, call.component.name, *who, key


def digest(key: str) -> str:
    """The key as it is kept: a hash, so that whoever may read tasks cannot repeat calls in the caller's name."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def refuse_other(stored: JsonObject, asked: JsonObject) -> None:
    """Raises InvalidCallError where the stored task, of the same key, is of another call."""
    theirs, ours = stored["spec"], asked["spec"]
    same_key = theirs.get("idempotencyKey") == ours.get("idempotencyKey")
    if not same_key or _body(theirs) != _body(ours):
        raise InvalidCallError(
            "The idempotency key was used before with other arguments: "
            "send the arguments of the first call again, or a new key for a new call"
        )


def _body(spec: JsonObject) -> tuple[object, ...]:
    """What must be equal in two calls to be one. The ttl and what is configured is that of the first one."""
    text = spec.get("argumentsText")
    component = spec["component"]
    return component.get("kind", "tool"), component["name"], _canonical(spec.get("arguments") or {}, text)


def _canonical(arguments: object, text: str | None) -> str:
    """The arguments as JSON text in one form, or as they are where they are none that a call can have."""
    try:
        return json.dumps(arguments if text is None else json.loads(text), sort_keys=True)
    except (ValueError, RecursionError):
        return f"no JSON: {text}"
