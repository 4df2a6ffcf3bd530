"""Requests of 2025-11-25 that their clients give up, with `notifications/cancelled` in a POST of its own.

A client numbers its requests itself, mostly from 0 or 1 on. Only its session id, which nobody else has, tells whose
number it is: several clients may have one token, and behind a proxy they all have one address. So what comes without a
session id of ours cannot be cancelled this way; its client can still close the connection.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
from pydantic import BaseModel, Field

from mcptasks.protocol.requests import Context, principal_of_caller
from mcptasks.protocol.v2025_11_25_http import ANSWER, CANCELLED
from mcptasks.protocol.v2025_11_25_sessions import HEADER, is_session_id
from mcptasks.tasks.owners import caller_key

logger = logging.getLogger(__name__)

DIGEST_CHARACTERS = 40

_NOT_CANCELLABLE = frozenset({"initialize", ANSWER, CANCELLED})


class CancelledParams(BaseModel):
    """What `notifications/cancelled` says of use."""

    request_id: str = Field(alias="requestId", max_length=1024)


def call_id_of(ctx: Context, request_id: str | int | None) -> str | None:
    """What names a request to every replica: a digest of session, caller and the client's own id of it.

    None for what has no id, and for a request that does not come with a session id of ours.
    """
    session = ctx.request.headers.get(HEADER) if ctx.request is not None else None
    if request_id is None or not is_session_id(session):
        return None
    parts = json.dumps([session, caller_key(principal_of_caller()), str(request_id)])
    return hashlib.sha256(parts.encode()).hexdigest()[:DIGEST_CHARACTERS]


def cancellable_id(ctx: Context) -> str | None:
    """The id of a request that its client may give up; None for others.

    Tasks have `tasks/cancel`, the handshake has nothing, and what stands for a message without an id (`Exchange`) has
    an id of its own that its client may have given to something else.
    """
    if ctx.method in _NOT_CANCELLABLE or "task" in (ctx.params or {}):
        return None
    return call_id_of(ctx, ctx.request_id)


class RunningCalls:
    """The requests that one replica is answering."""

    def __init__(self) -> None:
        self._scopes: defaultdict[str, list[anyio.CancelScope]] = defaultdict(list)

    @contextmanager
    def answering(self, call_id: str) -> Iterator[None]:
        """Around the answer to a request; left without an exception or an answer where the request is cancelled."""
        with anyio.CancelScope() as scope:
            self._scopes[call_id].append(scope)
            try:
                yield
            finally:
                self._scopes[call_id].remove(scope)
                if not self._scopes[call_id]:
                    del self._scopes[call_id]

    def is_cancelled(self, call_id: str | None) -> bool:
        """Whether the request is one of these, and its client has given it up."""
        return any(scope.cancel_called for scope in self._scopes.get(call_id or "", ()))

    def cancel(self, call_id: str) -> bool:
        """Whether the request is one of these, which is then ended. Of two that look the same, none is."""
        scopes = self._scopes.get(call_id, [])
        if len(scopes) > 1:
            logger.info("a cancellation was dropped: %d requests of its session have the same id", len(scopes))
        if len(scopes) != 1:
            return False
        scopes[0].cancel()
        return True
