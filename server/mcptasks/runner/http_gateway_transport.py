"""The runner's requests over HTTP.

The token is read again for each request, because the kubelet replaces it long before it expires.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx2

from mcptasks.runner.gateway_transport import GatewayReply, NoGatewayError, RequestNotSentError

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 60.0


@dataclass(frozen=True, eq=False)
class HttpGatewayTransport:
    """Sends requests with the Pod's token, and with headers that all of them have."""

    http: httpx2.AsyncClient
    token_file: Path
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def to(cls, url: str, token_file: Path) -> HttpGatewayTransport:
        """To the gateway at the URL."""
        http = httpx2.AsyncClient(
            base_url=url,
            timeout=httpx2.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            # The gateway is inside the cluster: proxies are for the world outside.
            trust_env=False,
            # Loading the system's certificates takes longer than all other requests.
            verify=url.startswith("https"),
        )
        return cls(http, token_file)

    def naming(self, headers: Mapping[str, str]) -> HttpGatewayTransport:
        """The same connections, for requests with these headers."""
        return replace(self, headers=headers)

    async def aclose(self) -> None:
        """Close all connections."""
        await self.http.aclose()

    async def send(self, method: str, path: str, body: bytes | None) -> GatewayReply:
        """Send a request and give the answer, whatever it is. Raises RequestNotSentError, NoGatewayError."""
        headers = {**self._authorization(), "Content-Type": "application/json", **self.headers}
        try:
            answer = await self.http.request(method, path, content=body, headers=headers)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise self._failure(error) from error
        return GatewayReply(answer.status_code, answer.content)

    @asynccontextmanager
    async def stream(self, path: str, parameters: Mapping[str, str], silence: float) -> AsyncIterator[httpx2.Response]:
        """An answer whose body is read as it comes. What reads it sees httpx2's errors.

        Args:
            silence: seconds without a byte after which the connection counts as dead.

        Raises:
            RequestNotSentError, NoGatewayError: where there is no answer.
        """
        timeout = httpx2.Timeout(silence, connect=CONNECT_SECONDS)
        request = self.http.build_request(
            "GET", path, params=dict(parameters), headers=self._authorization(), timeout=timeout
        )
        try:
            answer = await self.http.send(request, stream=True)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise self._failure(error) from error
        try:
            yield answer
        finally:
            await answer.aclose()

    def _failure(self, error: Exception) -> Exception:
        where = self.http.base_url
        if isinstance(error, httpx2.UnsupportedProtocol | httpx2.InvalidURL):
            return NoGatewayError(f"MCPTASKS_GATEWAY_URL is not the URL of a gateway ({where}): {error}")
        return RequestNotSentError(f"the gateway at {where} cannot be reached: {error or type(error).__name__}")

    def _authorization(self) -> dict[str, str]:
        try:
            token = self.token_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise RequestNotSentError(f"the token cannot be read: {error}", unauthorized=True) from error
        if not token or not token.isascii() or not token.isprintable():
            raise RequestNotSentError(f"there is no token in {self.token_file}", unauthorized=True)
        return {"Authorization": f"Bearer {token}"}
