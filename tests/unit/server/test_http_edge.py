"""The endpoint as browsers and proxies meet it: preflights, other spellings of its path, wildcards in its hosts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from mcptasks.server.auth.authentication import Authentication
from mcptasks.settings import Settings
from tests.support.issuer import AUDIENCE, ISSUER, Issuer, KeyPair, issuing
from tests.unit.protocol.conftest import Endpoint, serving

CHAT = "https://chat.example.com"
INSPECTOR = "http://localhost:6274"
STRANGER = "https://evil.example"
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
ACCEPT = {"accept": "application/json, text/event-stream"}
KEY = KeyPair.rsa("one")
METADATA = "/.well-known/oauth-protected-resource/mcp"


def settings(**values: Any) -> Settings:
    return Settings(**values)


def by(issuer: Issuer) -> dict[str, str]:
    return {"auth_issuer": ISSUER, "auth_audience": AUDIENCE, "auth_jwks_url": issuer.url}


@pytest.fixture(scope="module")
def shared() -> Iterator[Endpoint]:
    known = settings(allowed_hosts="*.example.com", allowed_origins=CHAT, max_body_bytes=4000)
    with serving(known) as served:
        yield served


@pytest.fixture(scope="module")
def guarded() -> Iterator[Endpoint]:
    with issuing(KEY) as issuer:
        known = settings(allowed_origins=CHAT, **by(issuer))
        with serving(known, authentication=Authentication.from_settings(known)) as served:
            yield served


def preflight(url: str, origin: str, method: str = "POST", **headers: str) -> httpx2.Response:
    asked = {"origin": origin, "access-control-request-method": method} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return httpx2.request("OPTIONS", url, headers=asked, timeout=20)


def call(url: str, body: Any = HELLO, **headers: str) -> httpx2.Response:
    return httpx2.post(url, json=body, headers=ACCEPT | headers, timeout=20, follow_redirects=False)


def exposed(answer: httpx2.Response) -> set[str]:
    return {name.strip().lower() for name in answer.headers.get("access-control-expose-headers", "").split(",")}


def cors(answer: httpx2.Response) -> list[str]:
    return [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("origin", [CHAT, INSPECTOR])
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_a_preflight_of_an_allowed_origin_is_answered(shared: Endpoint, origin: str, method: str) -> None:
    wanted = "authorization, content-type, mcp-protocol-version, mcp-session-id, last-event-id, mcp-method, mcp-param-a"
    answer = preflight(shared.url, origin, method, access_control_request_headers=wanted)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert method in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == wanted
    assert "Origin" in answer.headers["vary"]


def test_a_preflight_to_a_private_network_is_answered(shared: Endpoint) -> None:
    answer = preflight(shared.url, CHAT, access_control_request_private_network="true")
    assert (answer.status_code, answer.headers["access-control-allow-private-network"]) == (200, "true")


@pytest.mark.parametrize("path", ["", "/"])
def test_its_pages_may_read_the_answer_and_its_session(shared: Endpoint, path: str) -> None:
    answer = call(shared.url + path, origin=CHAT)
    assert answer.status_code == 200
    assert answer.headers["mcp-session-id"]
    assert answer.headers["access-control-allow-origin"] == CHAT
    assert {"mcp-session-id", "www-authenticate", "retry-after"} <= exposed(answer)


def test_other_origins_get_nothing(shared: Endpoint) -> None:
    for answer in (preflight(shared.url, STRANGER), call(shared.url, origin=STRANGER)):
        assert answer.status_code in (403, 405)
        assert cors(answer) == []
    assert cors(call(shared.url)) == []


def test_errors_can_be_read_too(shared: Endpoint) -> None:
    large = call(shared.url, HELLO | {"more": "x" * 5000}, origin=CHAT)
    elsewhere = call(shared.url, origin=CHAT, host="other.example")
    unreadable = call(shared.url, "nonsense", origin=CHAT)
    closed = httpx2.get(shared.url, headers={"origin": CHAT}, timeout=20)
    assert [a.status_code for a in (large, elsewhere, unreadable, closed)] == [413, 421, 400, 405]
    for answer in (large, elsewhere, unreadable, closed):
        assert answer.headers["access-control-allow-origin"] == CHAT
        assert answer.json()["error"]["message"]


def test_a_preflight_needs_no_token_and_a_refusal_can_be_read(guarded: Endpoint) -> None:
    assert preflight(guarded.url, CHAT).status_code == 200
    answer = call(guarded.url, origin=CHAT)
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == CHAT
    assert "resource_metadata=" in answer.headers["www-authenticate"]
    assert "www-authenticate" in exposed(answer)


def test_that_nobody_can_verify_a_token_can_be_read() -> None:
    with issuing(KEY) as issuer:
        issuer.status = 503
        known = settings(allowed_origins=CHAT, **by(issuer))
        with serving(known, authentication=Authentication.from_settings(known)) as served:
            answer = call(served.url, origin=CHAT, authorization=f"Bearer {KEY.token()}")
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (503, CHAT)
    assert "retry-after" in exposed(answer)


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_metadata_of_authorization_can_be_read(guarded: Endpoint, slash: str) -> None:
    url = guarded.url.removesuffix("/mcp") + METADATA + slash
    asked = preflight(url, CHAT, "GET", access_control_request_headers="mcp-protocol-version")
    assert asked.status_code == 200
    answer = httpx2.get(url, headers={"origin": CHAT}, timeout=20)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] in (CHAT, "*")
    missing = httpx2.get(url.replace("protected-resource", "other"), headers={"origin": CHAT}, timeout=20)
    assert (missing.status_code, missing.headers["access-control-allow-origin"]) == (404, CHAT)


def test_all_origins_can_be_allowed() -> None:
    with serving(settings(allowed_origins="*")) as served:
        assert preflight(served.url, STRANGER).status_code == 200
        answer = call(served.url, origin=STRANGER)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, STRANGER)


@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "/", "/team/a/mcp", "/team/a/mcp/"])
def test_the_endpoint_is_served_with_and_without_a_slash(path: str) -> None:
    with serving(settings(path=path)) as served:
        base = served.url.removesuffix("/mcp")
        spellings = {path, path.rstrip("/") or "/", path.rstrip("/") + "/"}
        for spelling in sorted(spellings):
            answer = call(base + spelling, x_forwarded_proto="https")
            assert (spelling, answer.status_code) == (spelling, 200)
            assert answer.headers["mcp-session-id"]
            assert httpx2.get(base + spelling, timeout=20).status_code == 405
        assert call(f"{base}/other/").status_code == 404


def test_another_host_is_refused_at_either_spelling(shared: Endpoint) -> None:
    for url in (shared.url, f"{shared.url}/"):
        assert call(url, host="other.example").status_code == 421
        assert call(url, host="b.a.example.com").status_code == 421
        assert call(url, host="Tools.Example.com.:443").status_code == 200


@pytest.mark.parametrize("character", ["%0A", "%0D", "%00", "%0D%0A", "%09", "%7F", "%C2%85", "%E2%80%A8"])
@pytest.mark.parametrize("spelling", ["{}", "/{}", "{}/"])
def test_no_spelling_of_the_path_gets_around_the_checks(shared: Endpoint, character: str, spelling: str) -> None:
    url = shared.url + spelling.format(character)
    for headers in ({"host": "other.example"}, {"origin": STRANGER}, {"host": "other.example", "origin": STRANGER}):
        assert call(url, **headers).status_code == 404
    answer = call(url)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, -32600)


@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "/"])
def test_percent_encoding_is_not_another_path(path: str) -> None:
    with serving(settings(path=path)) as served:
        base = served.url.removesuffix("/mcp")
        encoded = path.replace("m", "%6D")
        assert call(base + encoded, host="other.example").status_code == 421
        assert call(base + encoded).status_code == 200
        assert call(f"{base}{path}%0A", host="other.example").status_code == 404


def test_control_characters_are_refused_on_the_whole_port(shared: Endpoint) -> None:
    base = shared.url.removesuffix("/mcp")
    assert httpx2.get(f"{base}/healthz", timeout=20).status_code == 200
    assert httpx2.get(f"{base}/healthz%0A", timeout=20).status_code == 404


def test_nothing_answers_with_a_redirect(shared: Endpoint) -> None:
    base = shared.url.removesuffix("/mcp")
    for path in ("/healthz/", "/readyz/", "/mcp/", "/nowhere/"):
        assert httpx2.get(base + path, timeout=20).status_code not in range(300, 400)
