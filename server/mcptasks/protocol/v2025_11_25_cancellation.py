"""Requests of 2025-11-25 that their clients give up, with `notifications/cancelled` in a POST of its own.

A client numbers its requests itself. Its session id, which nobody else knows, tells whose number it is.
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
from mcptasks.protocol.v2025_11_25_sessions import HEADER
from mcptasks.tasks.owners import caller_key

logger = logging.getLogger(__name__)

DIGEST_CHARACTERS = 40


class CancelledParams(BaseModel):
    """What `notifications/cancelled` says of use."""

    request_id: str = Field(alias="requestId", max_length=1024)


def call_id_of(ctx: Context, request_id: str | int) -> str:
    """What names a request to every replica: a digest of session, caller and the client's own id of it.

    Requests without a session are told apart by their caller, and those without a token by the address they come from.
    """
    request = ctx.request
    session = request.headers.get(HEADER) if request is not None else None
    caller = caller_key(principal_of_caller())
    address = request.client.host if session is None and caller is None and request and request.client else None
    parts = json.dumps([session, caller, address, str(request_id)])
    return hashlib.sha256(parts.encode()).hexdigest()[:DIGEST_CHARACTERS]


def can_be_cancelled(ctx: Context) -> bool:
    """Whether it is a request that its client may give up: tasks have `tasks/cancel`, the handshake nothing."""
    return ctx.request_id is not None and ctx.method != "initialize" and "task" not in (ctx.params or {})


class RunningCalls:
    """The requests that one replica is answering."""

    def __init__(self) -> None:
        self._scopes: defaultdict[str, list[anyio.CancelScope]] = defaultdict(list)

    @contextmanager
    def answering(self, ctx: Context) -> Iterator[None]:
        """Around the answer to a request; left without an exception or an answer where the request is cancelled."""
        call_id = call_id_of(ctx, ctx.request_id or 0)
        with anyio.CancelScope() as scope:
            self._scopes[call_id].append(scope)
            try:
                yield
            finally:
                self._scopes[call_id].remove(scope)
                if not self._scopes[call_id]:
                    del self._scopes[call_id]

    def cancel(self, call_id: str) -> bool:
        """Whether the request is one of these, which is then ended. Of two that look the same, none is."""
        scopes = self._scopes.get(call_id, [])
        if len(scopes) > 1:
            logger.info("a cancellation was dropped: %d requests have the same id, and no session", len(scopes))
        if len(scopes) != 1:
            return False
        scopes[0].cancel()
        return True
