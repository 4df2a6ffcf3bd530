"""Who calls: the Pod that a bearer token is bound to, as the API server's TokenReview says.

https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from mcptasks.gateway.contract import Refusal, RefusalCode
from mcptasks.gateway.pods import PodIdentity
from mcptasks.gateway.refusals import RefusedError, unavailable
from mcptasks.kube.api_client import KubeClient
from mcptasks.kube.kinds import TOKEN_REVIEWS
from mcptasks.model.base import JsonObject
from mcptasks.tasks.limits import InProgress, SharedRate

K = TypeVar("K")
T = TypeVar("T")

CACHE_SECONDS = 60.0
CACHE_SIZE = 4096
BAD_SECONDS = 5.0
"""How long a no is remembered: a token of a Pod that the API server has not heard of a moment ago may be good then."""

BAD_TOKENS_PER_SECOND = 5.0
"""Reviews for one address that may end with a no, with bursts of twice as many; ten times as many for all addresses.

No more than a burst of them are under way at the same time.
"""

POD_NAME = "authentication.kubernetes.io/pod-name"
POD_UID = "authentication.kubernetes.io/pod-uid"
ACCOUNT_PREFIX = "system:serviceaccount:"


@dataclass(frozen=True)
class _Known:
    identity: PodIdentity
    until: float


@dataclass(frozen=True)
class _Bad:
    refusal: Refusal
    until: float


class TokenReviewer:
    """Asks the API server whose token it is.

    A yes is remembered for at most a minute and the token's life, a no for a few seconds. Who has sent too many bad
    tokens has to wait; those that are known go on.
    """

    def __init__(self, kube: KubeClient, audience: str, clock: Callable[[], float] = time.time) -> None:
        self._kube = kube
        self._audience = audience
        self._clock = clock
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._bad: OrderedDict[bytes, _Bad] = OrderedDict()
        self._bad_tokens = SharedRate.of(BAD_TOKENS_PER_SECOND)
        self._reviews = InProgress()

    async def identify(self, token: str, peer: str = "") -> PodIdentity:
        """The Pod that the token is bound to; `peer` is the address that it came from.

        Raises:
            RefusedError: the token is not valid for the gateway, or is bound to no Pod, or too many came that were not.
            KubeError: the API server cannot be asked.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        now = self._clock()
        known = self._known.get(digest)
        if known is not None and now < known.until:
            return known.identity
        bad = self._bad.get(digest)
        if bad is not None and now < bad.until:
            raise RefusedError(bad.refusal.code, bad.refusal.message)
        # Each of those under way may end with a no.
        if not self._bad_tokens.has_room(peer, now, self._reviews):
            raise unavailable("too many tokens came that are not valid, or that nobody knows yet")
        try:
            with self._reviews.one_more(peer):
                identity = await self._review(token)
        except RefusedError as error:
            self._bad_tokens.allows(peer, now)
            remember(self._bad, digest, _Bad(error.refusal, now + BAD_SECONDS))
            raise
        remember(self._known, digest, _Known(identity, min(now + CACHE_SECONDS, _expiry(token))))
        return identity

    async def _review(self, token: str) -> PodIdentity:
        body = {
            "apiVersion": TOKEN_REVIEWS.api_version,
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [self._audience]},
        }
        review = await self._kube.create(TOKEN_REVIEWS, body)
        return reviewed_pod(review.get("status") or {}, self._audience)


def remember(found: OrderedDict[K, T], key: K, value: T) -> None:
    """Remember it, and forget what was remembered first where that is too much."""
    found[key] = value
    found.move_to_end(key)
    while len(found) > CACHE_SIZE:
        found.popitem(last=False)


def reviewed_pod(status: JsonObject, audience: str) -> PodIdentity:
    """The Pod in a TokenReview's status. Raises RefusedError."""
    if not status.get("authenticated") or audience not in (status.get("audiences") or ()):
        raise RefusedError(
            RefusalCode.UNAUTHENTICATED,
            f"the token is not valid: it must be a Pod's own, not expired, with the audience {audience}",
        )
    user = status.get("user") or {}
    extra = user.get("extra") or {}
    username = str(user.get("username", ""))
    name, uid = _only(extra.get(POD_NAME)), _only(extra.get(POD_UID))
    parts = username.removeprefix(ACCOUNT_PREFIX).split(":")
    if not username.startswith(ACCOUNT_PREFIX) or len(parts) != 2 or name is None or uid is None:
        raise RefusedError(
            RefusalCode.NOT_A_TASK_POD, "the token is valid, but it is not bound to a Pod; use a projected token"
        )
    return PodIdentity(parts[0], name, uid)


def _only(values: object) -> str | None:
    return str(values[0]) if isinstance(values, list) and len(values) == 1 else None


def _expiry(token: str) -> float:
    """When a JWT that has been found valid expires; for ever where it does not say."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError):
        return float("inf")
