"""A plain HTTP client for any Kubernetes API server, from a kubeconfig."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.support.kubeconfig import KubeconfigAccess

Json = dict[str, Any]

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


@dataclass(frozen=True)
class ApiReply:
    """A response, with the JSON of its body."""

    code: int
    body: Any
    warnings: list[str]

    @property
    def reason(self) -> str:
        return str(self.body.get("reason", ""))

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))

    @property
    def causes(self) -> list[tuple[str, str]]:
        """(field, reason) of each cause."""
        return [(c.get("field", ""), c.get("reason", "")) for c in (self.body.get("details") or {}).get("causes") or ()]

    def ok(self, code: int = 200) -> Any:
        assert self.code == code, f"{self.code}: {self.body}"
        return self.body


@dataclass(frozen=True)
class Api:
    """Requests to the API server as its administrator."""

    http: httpx2.Client
    anonymous: httpx2.Client

    @classmethod
    def of(cls, kubeconfig: Path) -> Api:
        """`anonymous` is without the administrator's credentials, which would win over a token of the request."""
        clients = (KubeconfigAccess.of(kubeconfig, anonymous=anonymous).client(30) for anonymous in (False, True))
        return cls(*clients)

    def request(
        self, method: str, path: str, body: Any = None, media: str = "application/json", **query: Any
    ) -> ApiReply:
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": media, "Accept": "application/json"}
        if "accept" in query:
            headers["Accept"] = query.pop("accept")
        client = self.http
        if "token" in query:
            headers["Authorization"] = f"Bearer {query.pop('token')}"
            client = self.anonymous
        response = client.request(method, path, content=data, headers=headers, params=query)
        is_json = response.headers.get("content-type", "").startswith("application/json")
        return ApiReply(
            response.status_code, response.json() if is_json else response.text, response.headers.get_list("warning")
        )

    def get(self, path: str, **query: Any) -> ApiReply:
        return self.request("GET", path, **query)

    def post(self, path: str, body: Any, **query: Any) -> ApiReply:
        return self.request("POST", path, body, **query)

    def put(self, path: str, body: Any, **query: Any) -> ApiReply:
        return self.request("PUT", path, body, **query)

    def patch(self, path: str, body: Any, media: str = MERGE, **query: Any) -> ApiReply:
        return self.request("PATCH", path, body, media, **query)

    def delete(self, path: str, body: Any = None, **query: Any) -> ApiReply:
        return self.request("DELETE", path, body, **query)

    def watch(self, path: str, seconds: int = 3, **query: Any) -> Generator[Json]:
        """Events until the server ends the watch after `seconds`."""
        query = {"watch": "1", "timeoutSeconds": seconds, **query}
        accept = query.pop("accept", "application/json")
        with self.http.stream("GET", path, params=query, headers={"Accept": accept}) as response:
            assert response.status_code == 200, response.read()
            for line in response.iter_lines():
                yield json.loads(line)
