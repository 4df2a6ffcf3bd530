"""Lists in pages: what a page holds, and the token that continues after it."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from mcptasks_embedded.store.changes import StoreEntry
from mcptasks_embedded.values import errors, json_values
from mcptasks_embedded.values.references import Ref


@dataclass(frozen=True, slots=True)
class ObjectPage:
    """The answer to a list request."""

    entries: list[StoreEntry]
    rv: int
    token: str = ""
    remaining: int | None = None


@dataclass(frozen=True, slots=True)
class Continuation:
    """Where a list continues: the version that it is of, and the object after which its next page begins."""

    rv: int
    namespace: str
    name: str

    def before(self, ref: Ref) -> bool:
        """Whether the object belongs to what follows."""
        return (self.namespace, self.name) < (ref.namespace, ref.name)


def page_of(entries: list[StoreEntry], rv: int, limit: int, *, counted: bool) -> ObjectPage:
    """The first `limit` of `entries` (0: all). `counted`: tell how many remain, which lists with a selector do not."""
    if not limit or len(entries) <= limit:
        return ObjectPage(entries, rv)
    remaining = len(entries) - limit
    last = entries[limit - 1].ref
    return ObjectPage(entries[:limit], rv, _encode_token(rv, last), remaining if counted else None)


def _encode_token(rv: int, ref: Ref) -> str:
    return base64.urlsafe_b64encode(json_values.dumps([rv, ref.namespace, ref.name])).decode()


def decode_token(token: str) -> Continuation:
    """Where the list continues. Raises ApiError 400."""
    try:
        rv, namespace, name = json_values.loads(base64.urlsafe_b64decode(token))
        return Continuation(int(rv), str(namespace), str(name))
    except (TypeError, ValueError):
        raise errors.bad_request("continue key is not valid") from None


def token_expired() -> errors.ApiError:
    """The error for a list whose version is no longer known."""
    return errors.expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new "
        "list without the continue parameter, or use the continue token in this response to retrieve the "
        "remainder of the results. Continuing with the provided token results in an inconsistent list."
    )
