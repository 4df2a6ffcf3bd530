"""Requests that a proxy in front may have read in another way than the server would."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mcptasks.server.auth.authentication import Authentication
from mcptasks.server.header_check import SINGLE
from mcptasks.settings import Settings
from tests.unit.protocol.conftest import Endpoint, serving

ALICE, MALLORY = "a" * 32, "m" * 32
CALL = json.dumps(
    {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "must", "arguments": {"a": 1}, "task": {}}}
)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    tokens: Path = tmp_path_factory.mktemp("tokens") / "tokens"
    tokens.write_text(f"alice: {ALICE}\nmallory: {MALLORY}\n")
    settings = Settings(auth_tokens=tokens)
    with serving(settings, authentication=Authentication.from_settings(settings)) as served:
        yield served


def exchange(endpoint: Endpoint, request: str) -> str:
    """All that the server answers to these bytes, up to the end of the connection."""
    where = urlsplit(endpoint.url)
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=10) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer.decode()


def request(body: str, *headers: str, path: str = "/mcp") -> str:
    always = (
        "Host: localhost",
        "Content-Type: application/json",
        "Accept: application/json, text/event-stream",
        "Mcp-Protocol-Version: 2025-11-25",
    )
    return "\n".join([f"POST {path} HTTP/1.1", *always, *headers, "", body])


def bearer(token: str) -> str:
    return f"Authorization: Bearer {token}"


def size(text: str) -> str:
    return f"Content-Length: {len(text)}"


def test_a_request_with_one_of_each_is_served(endpoint: Endpoint) -> None:
    answer = exchange(endpoint, request(CALL, bearer(ALICE), size(CALL), "Connection: close"))
    assert answer.startswith("HTTP/1.1 200")
    assert len(endpoint.tasks.items) == 1


@pytest.mark.parametrize("tokens", [(ALICE, MALLORY), (MALLORY, ALICE), (ALICE, ALICE), ("nobody", ALICE)])
def test_a_request_with_two_tokens_is_refused(endpoint: Endpoint, tokens: tuple[str, str]) -> None:
    before = len(endpoint.tasks.items)
    answer = exchange(endpoint, request(CALL, *map(bearer, tokens), size(CALL)))
    assert answer.startswith("HTTP/1.1 400")
    assert "the header authorization comes more than once" in answer
    assert len(endpoint.tasks.items) == before


@pytest.mark.parametrize("name", sorted(name.decode() for name in SINGLE - {b"transfer-encoding"}))
def test_no_header_that_is_no_list_comes_twice(endpoint: Endpoint, name: str) -> None:
    sent = f"{name}: localhost" if name == "host" else f"{name}: {len(CALL)}1"
    answer = exchange(endpoint, request(CALL, bearer(ALICE), size(CALL), "Origin: http://localhost", sent, sent))
    assert answer.startswith("HTTP/1.1 400")


SMUGGLED = request(CALL, bearer(ALICE), size(CALL))
CHUNKED = "0\n\n"


@pytest.mark.parametrize(
    "headers",
    [
        (f"Content-Length: {len(CHUNKED) + len(SMUGGLED)}", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 3"),
        ("Content-Length: 3", "Content-Length: 4"),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: identity", "Content-Length: 3"),
        ("Transfer-Encoding : chunked", "Content-Length: 3"),
        ("Content-Length: +3",),
        ("Content-Length: 3 ", "Transfer-Encoding:\x0bchunked"),
    ],
    ids=str,
)
def test_a_body_whose_end_two_readers_see_in_different_places_carries_no_second_request(
    endpoint: Endpoint, headers: tuple[str, ...]
) -> None:
    before = len(endpoint.tasks.items)
    answer = exchange(endpoint, request(CHUNKED + SMUGGLED, bearer(MALLORY), *headers))
    assert answer.startswith(("HTTP/1.1 400", "HTTP/1.1 501"))
    assert answer.count("HTTP/1.1 ") == 1
    assert len(endpoint.tasks.items) == before
