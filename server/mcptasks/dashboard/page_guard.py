"""What holds for all answers of the dashboard: which hosts it goes by, who may send forms, what pages may load."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcptasks.network.proxies import DEFAULT_PORTS
from mcptasks.server.allowed_sources import AllowedSources
from mcptasks.server.host_patterns import Host

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Nothing from elsewhere, and no script or style that stands in the page itself."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}

PROBES = frozenset({"/healthz", "/readyz"})
"""Asked by the kubelet, by the Pod's address."""

SAFE_METHODS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class PageGuard:
    """Middleware: HTTP 421 for another host, 403 for a form of another site; the headers above on all answers."""

    app: ASGIApp
    allowed: AllowedSources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                message = {**message, "headers": headers.raw}
            await send(message)

        refusal = None if scope["path"] in PROBES else self._refusal(scope["method"], Headers(scope=scope))
        await (refusal or self.app)(scope, receive, send_guarded)

    def _refusal(self, method: str, headers: Headers) -> PlainTextResponse | None:
        if not self.allowed.serves(headers.get("host")):
            return PlainTextResponse(
                "This host is not among MCPTASKS_ALLOWED_HOSTS of the dashboard.", HTTPStatus.MISDIRECTED_REQUEST
            )
        if method not in SAFE_METHODS and not is_own_form(headers):
            return PlainTextResponse("This form comes from another site.", HTTPStatus.FORBIDDEN)
        return None


def is_own_form(headers: Headers) -> bool:
    """Whether, by what the browser says, the request comes from one of our own pages."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or _is_at(origin, headers.get("host") or "")


def _is_at(origin: str, host: str) -> bool:
    """Whether the origin is that of the host. Some proxies name the port where browsers leave it out."""
    scheme, _, rest = origin.partition("://")
    source, own = Host.parse(rest), Host.parse(host)
    if source is None or own is None:
        return False
    port = DEFAULT_PORTS.get(scheme.lower())
    return source.name == own.name and (source.port or port) == (own.port or port)
