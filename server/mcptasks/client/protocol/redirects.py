"""Which redirects the client follows: none that would take what a caller sends to somebody else."""

from __future__ import annotations

import httpx2

from mcptasks.client.client_errors import HttpRefusedError
from mcptasks.network.shown_urls import shown_url


async def refuse_foreign_redirect(endpoint: httpx2.URL, response: httpx2.Response) -> None:
    """A hook for responses: refuse a redirect to another origin that would take credentials or a body along.

    httpx leaves out `Authorization` there, and sends all other headers, and on 307 and 308 the body. What an
    authentication asks of other servers, without a body and without the client's headers, is its own affair.

    Raises HttpRefusedError.
    """
    if not response.has_redirect_location:
        return
    request = response.request
    target = request.url.join(response.headers["location"])
    has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    if (
        (has_body or request.url.origin == endpoint.origin)
        and target.origin != request.url.origin
        and not _is_upgrade(request.url, target)
    ):
        raise HttpRefusedError(
            response.status_code,
            f"{shown_url(str(request.url))} redirects to {_origin(target)} (HTTP {response.status_code}), another "
            "server: headers and arguments are not sent there. Give that address yourself if it is the right one",
        )


def _is_upgrade(source: httpx2.URL, target: httpx2.URL) -> bool:
    """Whether the target is the same host over TLS, both on the ports of their schemes."""
    upgrade = (source.scheme, target.scheme) == ("http", "https") and source.host == target.host
    return upgrade and source.port in (None, 80) and target.port in (None, 443)


def _origin(url: httpx2.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode('ascii')}"
