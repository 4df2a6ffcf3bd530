"""An issuer of tokens on this machine: its keys over HTTP, and tokens signed with them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from mcptasks.model.base import JsonObject

ISSUER = "https://issuer.example/realms/tools"
AUDIENCE = "https://tools.example/mcp"


@dataclass(frozen=True)
class KeyPair:
    """A key that tokens are signed with."""

    key_id: str | None
    algorithm: str
    private: Any

    @classmethod
    def rsa(cls, key_id: str | None) -> KeyPair:
        return cls(key_id, "RS256", rsa.generate_private_key(65537, 2048))

    @classmethod
    def ec(cls, key_id: str | None) -> KeyPair:
        return cls(key_id, "ES256", ec.generate_private_key(ec.SECP256R1()))

    @property
    def public(self) -> JsonObject:
        """The public half, as a JWK."""
        algorithm = jwt.get_algorithm_by_name(self.algorithm)
        jwk: JsonObject = json.loads(algorithm.to_jwk(self.private.public_key()))
        return jwk | {"use": "sig"} | ({} if self.key_id is None else {"kid": self.key_id})

    def token(self, subject: str = "alice", **claims: Any) -> str:
        """A token; a claim that is None is left out, `algorithm` and `headers` are the header's."""
        now = int(time.time())
        headers = {} if self.key_id is None else {"kid": self.key_id}
        headers |= claims.pop("headers", {})
        algorithm = claims.pop("algorithm", self.algorithm)
        standard = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "client_id": "app", "iat": now}
        # Longer than the longest run of the tests, which make some of their tokens at its start.
        standard["exp"] = now + 24 * 3600
        payload = {name: value for name, value in (standard | claims).items() if value is not None}
        return jwt.encode(payload, self.private, algorithm, headers)


@dataclass
class Issuer:
    """The keys that the issuer tells now, and how often it was asked. With a status it only answers that."""

    keys: list[KeyPair]
    status: int | None = None
    asked: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self) -> tuple[int, bytes]:
        with self.lock:
            self.asked += 1
        if self.status is not None:
            return self.status, b""
        return 200, json.dumps({"keys": [key.public for key in self.keys]}).encode()


@contextmanager
def issuing(*keys: KeyPair) -> Iterator[Issuer]:
    """The issuer's keys at `url`, over HTTP."""
    issuer = Issuer(list(keys))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = issuer.answer()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer.url = f"http://127.0.0.1:{server.server_port}/keys"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
