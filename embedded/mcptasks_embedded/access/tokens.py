"""Authentication: the admin's bearer token and ServiceAccount tokens, which are signed JWTs bound to a Pod.

https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from mcptasks_embedded.access.users import User, service_account_groups
from mcptasks_embedded.store.memory import ObjectStore
from mcptasks_embedded.values import errors, times
from mcptasks_embedded.values.json_object import Json
from mcptasks_embedded.values.references import NODES, PODS, SERVICE_ACCOUNTS, Ref

ISSUER = "https://kubernetes.default.svc.cluster.local"
#: A Pod's tokens expire this long after its deletionTimestamp, in seconds, as in the API server.
_DELETED_LEEWAY = 60
_PREFIX = "authentication.kubernetes.io/"


class TokenError(Exception):
    """A token is not accepted; the text says why."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A signed token and its expiry, a Unix time."""

    token: str
    expires: float

    @property
    def expires_text(self) -> str:
        return times.stamp(datetime.fromtimestamp(self.expires, UTC))


@dataclass(frozen=True, slots=True)
class Verified:
    """A valid token's user, and those of its audiences that were asked for."""

    user: User
    audiences: tuple[str, ...]


class Tokens:
    """Issues and verifies tokens. The signing key lives as long as the cluster."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.admin = secrets.token_urlsafe(32)
        self._claims: dict[str, Json] = {}

    def issue(self, account: Json, audiences: Sequence[str], seconds: int, pod: Json | None = None) -> IssuedToken:
        """A token for the ServiceAccount `account`, bound to `pod` if given."""
        issued = int(time.time())
        metadata = account["metadata"]
        bound: Json = {"namespace": metadata["namespace"]}
        bound["serviceaccount"] = {"name": metadata["name"], "uid": metadata["uid"]}
        if pod is not None:
            bound["pod"] = {"name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
            bound |= self._node_claim(pod)
        claims = {
            "aud": list(audiences) or [ISSUER],
            "exp": issued + seconds,
            "iat": issued,
            "nbf": issued,
            "iss": ISSUER,
            "jti": str(uuid4()),
            "sub": f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}",
            "kubernetes.io": bound,
        }
        return IssuedToken(jwt.encode(claims, self._key, algorithm="ES256"), issued + seconds)

    def _node_claim(self, pod: Json) -> Json:
        name = pod["spec"].get("nodeName")
        node = self._store.get(Ref(NODES, "", name)) if name else None
        return {"node": {"name": name, "uid": node.obj["metadata"]["uid"]}} if node else {}

    def authenticate(self, headers: Mapping[str, str]) -> User:
        """The user of a request to the API server. Raises ApiError 401."""
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise errors.unauthorized()
        if hmac.compare_digest(token.encode(), self.admin.encode()):
            return User("kubernetes-admin", groups=("system:masters", "system:authenticated"))
        try:
            return self.verify(token, ()).user
        except TokenError:
            raise errors.unauthorized() from None

    def verify(self, token: str, audiences: Sequence[str]) -> Verified:
        """Check a ServiceAccount token for any of `audiences` (empty: the API server's). Raises TokenError."""
        claims = self._decode(token)
        wanted = list(audiences) or [ISSUER]
        matching = tuple(audience for audience in claims["aud"] if audience in wanted)
        if not matching:
            listed = ", ".join(f'"{item}"' for item in claims["aud"])
            target = ", ".join(f'"{item}"' for item in wanted)
            raise TokenError(f"token audiences [{listed}] is invalid for the target audiences [{target}]")
        if claims["exp"] <= time.time():
            raise TokenError("service account token has expired")
        return Verified(self._user(claims), matching)

    def _decode(self, token: str) -> Json:
        claims = self._claims.get(token)
        if claims is None:
            try:
                options: Any = {"verify_aud": False, "verify_exp": False, "verify_iat": False, "verify_nbf": False}
                claims = jwt.decode(token, self._key.public_key(), algorithms=["ES256"], issuer=ISSUER, options=options)
            except jwt.InvalidTokenError:
                raise TokenError("token lookup failed") from None
            if len(self._claims) > 4096:
                self._claims.clear()
            self._claims[token] = claims
        return claims

    def _user(self, claims: Json) -> User:
        bound = claims["kubernetes.io"]
        namespace, account = bound["namespace"], bound["serviceaccount"]
        self._check_alive(Ref(SERVICE_ACCOUNTS, namespace, account["name"]), account["uid"])
        extra = {f"{_PREFIX}credential-id": [f"JTI={claims['jti']}"]}
        for kind in ("node", "pod"):
            if reference := bound.get(kind):
                extra[f"{_PREFIX}{kind}-name"] = [reference["name"]]
                extra[f"{_PREFIX}{kind}-uid"] = [reference["uid"]]
        if pod := bound.get("pod"):
            self._check_alive(Ref(PODS, namespace, pod["name"]), pod["uid"])
        return User(claims["sub"], account["uid"], service_account_groups(namespace), extra)

    def _check_alive(self, ref: Ref, uid: str) -> None:
        entry = self._store.get(ref)
        if entry is None or entry.obj["metadata"]["uid"] != uid:
            raise TokenError("service account token has been invalidated")
        deleted = entry.obj["metadata"].get("deletionTimestamp")
        if deleted and time.time() > times.parse(deleted).timestamp() + _DELETED_LEEWAY:
            raise TokenError("service account token has been invalidated")
