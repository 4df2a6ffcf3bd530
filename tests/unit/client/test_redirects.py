"""What a caller sends stays with the server that it was meant for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from mcptasks.client import Client, ClientError
from mcptasks.client.client_errors import HttpRefusedError
from mcptasks.client.protocol.redirects import refuse_foreign_redirect

pytestmark = pytest.mark.anyio


@dataclass
class Peer:
    """A server that redirects everything to `target`, and remembers what it was sent."""

    url: str
    status: int = 307
    target: str = ""
    received: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def peer() -> Iterator[Peer]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            this.received.append((self.path, dict(self.headers), body))
            redirects = this.target and self.path != "/elsewhere"
            self.send_response(this.status if redirects else 404)
            if redirects:
                self.send_header("Location", this.target)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_DELETE = do_POST  # noqa: N815 - the standard library looks for these names

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    this = Peer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield this
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def peers() -> Iterator[tuple[Peer, Peer]]:
    with ExitStack() as stack:
        yield stack.enter_context(peer()), stack.enter_context(peer())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("protocol", ["2025-11-25", "2026-07-28"])
async def test_nothing_of_a_call_follows_a_redirect_to_another_server(
    peers: tuple[Peer, Peer], status: int, protocol: str
) -> None:
    asked, other = peers
    asked.status, asked.target = status, f"{other.url}/mcp"
    headers = {"X-Api-Key": "secret"}
    with pytest.raises(ClientError, match=f"redirects to {other.url}"):
        async with Client(f"{asked.url}/mcp", token="secret", headers=headers, protocol=protocol):  # type: ignore[arg-type]
            pass
    assert asked.received
    assert other.received == []


async def test_a_redirect_of_the_same_server_is_followed(peers: tuple[Peer, Peer]) -> None:
    asked, _ = peers
    asked.target = "/elsewhere"
    with pytest.raises(ClientError):
        async with Client(f"{asked.url}/mcp", headers={"X-Api-Key": "secret"}, protocol="2026-07-28"):
            pass
    path, headers, body = asked.received[-1]
    assert path == "/elsewhere"
    assert headers["X-Api-Key"] == "secret"
    assert body


@pytest.mark.parametrize("protocol", ["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/again", "redirects again and again; is the path right"),
        ("http://[::1", "gives an answer that cannot be read"),
    ],
)
async def test_redirects_that_lead_nowhere_are_an_error_of_the_client(
    peers: tuple[Peer, Peer], protocol: str, target: str, message: str
) -> None:
    asked, _ = peers
    asked.target = target
    with pytest.raises(ClientError, match=message):
        async with Client(f"{asked.url}/mcp", protocol=protocol):  # type: ignore[arg-type]
            pass


def redirect(source: str, target: str, method: str = "POST", content: bytes = b"{}") -> httpx2.Response:
    request = httpx2.Request(method, source, content=content)
    return httpx2.Response(308, headers={"Location": target}, request=request)


ENDPOINT = httpx2.URL("http://tools.example/mcp")


@pytest.mark.parametrize(
    "target",
    [
        "https://other.example/mcp",
        "http://tools.example:8000/mcp",
        "https://tools.example:8443/mcp",
        "//other.example/mcp",
        "http://tools.example.evil.example/mcp",
        "http://tools.example@evil.example/mcp",
    ],
)
async def test_another_origin_is_refused_and_named(target: str) -> None:
    with pytest.raises(HttpRefusedError, match="another server"):
        await refuse_foreign_redirect(ENDPOINT, redirect(str(ENDPOINT), target))


@pytest.mark.parametrize("target", ["/mcp/", "http://tools.example/x", "https://tools.example/mcp"])
async def test_the_same_server_is_none_over_tls_neither(target: str) -> None:
    await refuse_foreign_redirect(ENDPOINT, redirect(str(ENDPOINT), target))


async def test_what_an_authentication_asks_another_server_may_be_redirected_as_long_as_it_has_no_body() -> None:
    asked, target = "https://login.example/.well-known/x", "https://www.login.example/x"
    await refuse_foreign_redirect(ENDPOINT, redirect(asked, target, "GET", b""))
    with pytest.raises(HttpRefusedError):
        await refuse_foreign_redirect(ENDPOINT, redirect(asked, target))


def test_a_client_does_not_show_its_credentials() -> None:
    client = Client("http://me:pw-1@tools.example/mcp", token="token-1", auth="token-2", headers={"X-Key": "key-1"})
    assert repr(client) == "Client('http://tools.example/mcp', protocol='auto')"


async def test_errors_name_the_server_without_the_password_of_its_url() -> None:
    with pytest.raises(ClientError, match=r"cannot reach http://127\.0\.0\.1:9/mcp") as caught:
        async with Client("http://me:pw-1@127.0.0.1:9/mcp"):
            pass
    assert "pw-1" not in str(caught.value)
