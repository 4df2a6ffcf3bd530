"""Traffic to this machine goes around the proxies of the environment."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from mcptasks.client import Client
from mcptasks.client.client_errors import NotSentError
from mcptasks.dev.supervisor import ProcessError, ProcessSpec, Supervisor
from mcptasks.kube.connection import ApiConnection
from mcptasks.network.loopback import is_loopback, is_loopback_host
from mcptasks.network.proxies import direct, is_excepted
from mcptasks.server.auth.jwks_cache import KeysUnavailableError, fetch
from tests.unit.client.fake_server import FakeServer, serving

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def proxied(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, NOWHERE)
        monkeypatch.setenv(name.lower(), NOWHERE)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.anyio
@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "socks://127.0.0.1:9/"])
async def test_a_proxy_that_cannot_be_used_is_named_where_it_is_wanted_and_only_there(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(NotSentError) as refused:
        async with Client(f"{NOWHERE}/mcp"):
            pass
    assert "ALL_PROXY" not in str(refused.value)
    with pytest.raises(KeysUnavailableError, match="cannot be reached"):
        await fetch(f"{NOWHERE}/keys", 1)
    with pytest.raises(NotSentError, match=r"tools\.example.*ALL_PROXY.* NO_PROXY"):
        async with Client("http://tools.example/mcp"):
            pass


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8000/mcp", True),
        ("https://127.9.9.9", True),
        ("https://[::1]:6443", True),
        ("http://LOCALHOST:1", True),
        ("http://api.localhost.", True),
        ("http://0.0.0.0:8000/mcp", True),
        ("http://[::]:8000/mcp", True),
        ("http://10.0.0.1", False),
        ("http://localhost.example.com", False),
        ("https://[2001:db8::1]", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_this_machine_has_many_names(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected
    assert bool(direct(url)) is expected


@pytest.mark.parametrize(
    ("url", "no_proxy", "expected"),
    [
        ("https://10.96.0.1", "10.0.0.0/8", True),
        ("https://10.96.0.1:443", "192.168.0.0/16, 10.96.0.0/12", True),
        ("https://172.16.0.1", "10.0.0.0/8", False),
        ("https://10.96.0.1", "10.96.0.1", True),
        ("https://10.96.0.1", "10.96.0.1:443", True),
        ("https://10.96.0.1:6443", "10.96.0.1:443", False),
        ("https://[fd00::1]:6443", "fd00::/8", True),
        ("https://[fd00::1]:6443", "[fd00::1]:6443", True),
        ("https://[fd00::1]:6443", "fd00::1", True),
        ("https://kubernetes.default.svc", ".svc,.cluster.local", True),
        ("https://api.example.com", "*.example.com", True),
        ("https://api.Example.com.", "EXAMPLE.COM", True),
        ("https://example.com", ".example.com", True),
        ("https://notexample.com", "example.com", False),
        ("https://api.example.com", "foo bar example.com", True),
        ("https://api.example.com", "*", True),
        ("https://api.example.com", "", False),
        ("https://api.example.com", ",.,*.", False),
        ("https://name", "10.0.0.0/8", False),
        ("http://[", "*", False),
        ("", "*", False),
    ],
)
def test_what_no_proxy_names_goes_around_proxies(url: str, no_proxy: str, expected: bool) -> None:
    assert is_excepted(url, no_proxy) is expected


@pytest.mark.usefixtures("proxied")
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_the_kubernetes_client_and_the_mcp_client_know_networks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "10.0.0.0/8")
    assert direct("http://10.1.2.3:8000/mcp") == {"all://10.1.2.3": None}

    async def trusts_the_environment(host: str) -> bool:
        connection = ApiConnection(Configuration(host=host), "test")
        session = await connection.authenticated_session()
        async with session:
            return session.trust_env

    assert not asyncio.run(trusts_the_environment("http://10.96.0.1"))
    assert asyncio.run(trusts_the_environment("http://192.0.2.1"))


@pytest.mark.usefixtures("proxied")
@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.0.2", True),
        ("::1", True),
        ("Localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("10.0.0.1", False),
    ],
)
def test_an_address_to_listen_on_may_be_this_machines_alone(host: str, expected: bool) -> None:
    assert is_loopback_host(host) is expected


def test_the_client_goes_to_loopback_directly() -> None:
    async def call(url: str) -> str:
        async with Client(url) as client:
            return (await client.call_tool("work")).text

    with serving(FakeServer()) as server:
        assert asyncio.run(call(server.url)) == "done"
        assert asyncio.run(call(server.url.replace("127.0.0.1", "localhost"))) == "done"


@pytest.mark.usefixtures("proxied")
def test_the_api_server_and_an_issuer_on_loopback_are_reached_directly() -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({"kind": "Status"})

    async def ask() -> object:
        app = web.Application()
        app.router.add_get("/version", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        connection = ApiConnection(Configuration(host=url), "test")
        connection.open()
        try:
            assert await fetch(f"{url}/version") == b'{"kind": "Status"}'
            return await connection.json("GET", "/version")
        finally:
            await connection.aclose()
            await runner.cleanup()

    assert asyncio.run(ask()) == {"kind": "Status"}


def test_nobody_has_to_wait_for_what_is_not_ready(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        supervisor.add(ProcessSpec("sleeper", "timeit", ("-n1", "-r1", "import time; time.sleep(60)"), {}, NOWHERE))
        threading.Timer(0.5, supervisor.give_up_waiting).start()
        before = time.monotonic()
        with pytest.raises(ProcessError, match="nobody waits for it any more"):
            supervisor.start("sleeper")
        assert time.monotonic() - before < 15
