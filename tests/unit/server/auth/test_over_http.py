"""Authentication by settings over HTTP, in both protocol versions: who is let in, and what the others are told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mcptasks import TaskServer
from mcptasks.model.base import JsonObject
from mcptasks.model.task_config import TaskConfigError
from mcptasks.server.auth.authentication import Authentication
from mcptasks.server.auth.static_tokens import ISSUER as STATIC_ISSUER
from mcptasks.settings import Settings
from tests.support.issuer import AUDIENCE, ISSUER, Issuer, KeyPair, issuing
from tests.unit.protocol.conftest import Endpoint, ask, make_server, serving

METADATA_URL = "https://tools.example/.well-known/oauth-protected-resource/mcp"
CALL: JsonObject = {"name": "add", "arguments": {"a": 1, "b": 2}}
BOT = "robot-token-0123456789"
VERSIONS = ("old", "new")

KEY = KeyPair.rsa("one")
NEXT_KEY = KeyPair.ec("two")


def configured(url: str, **settings: Any) -> Settings:
    own = {"auth_issuer": ISSUER, "auth_audience": AUDIENCE, "auth_jwks_url": url, "auth_required_scopes": "tasks"}
    return Settings(**(own | settings))


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuing(KEY) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    tokens = tmp_path_factory.mktemp("tokens")
    (tokens / "robot").write_text(BOT)
    settings = configured(issuer.url, auth_tokens=tokens)
    with serving(settings, authentication=Authentication.from_settings(settings)) as served:
        yield served


def raw(endpoint: Endpoint, **headers: str) -> httpx2.Response:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    accept = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}
    return httpx2.post(endpoint.url, json=body, headers=accept | headers, timeout=20)


def made_by(endpoint: Endpoint, version: str, token: str) -> str:
    params = {**CALL, "task": {}} if version == "old" else CALL
    result = ask(endpoint, version, token, "tools/call", params).result
    return str(result["task"]["taskId"] if version == "old" else result["taskId"])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_task_belongs_to_the_tokens_client_issuer_and_subject(guarded: Endpoint, version: str) -> None:
    task_id = made_by(guarded, version, KEY.token("alice", scope="tasks"))
    principal = guarded.tasks.items[task_id]["spec"]["principal"]
    assert (principal["clientId"], principal["issuer"], principal["subject"]) == ("app", ISSUER, "alice")
    later = KEY.token("alice", scope="tasks other", jti="another token of hers")
    assert ask(guarded, version, later, "tasks/get", {"taskId": task_id}).result["taskId"] == task_id
    for stranger in (KEY.token("bob", scope="tasks"), KEY.token("alice", scope="tasks", client_id="app-2"), BOT):
        assert ask(guarded, version, stranger, "tasks/get", {"taskId": task_id}).error["code"] == -32602


@pytest.mark.parametrize("version", VERSIONS)
def test_a_handed_out_token_is_let_in_beside_those_of_the_issuer(guarded: Endpoint, version: str) -> None:
    task_id = made_by(guarded, version, BOT)
    principal = guarded.tasks.items[task_id]["spec"]["principal"]
    assert (principal["issuer"], principal["subject"]) == (STATIC_ISSUER, "robot")
    assert BOT not in str(guarded.tasks.items[task_id])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer nonsense"},
        {"authorization": "Bearer"},
        {"authorization": f"Basic {BOT}"},
        {"authorization": f"Bearer {KEY.token(scope='tasks', aud='https://elsewhere.example')}"},
        {"authorization": f"Bearer {KEY.token(scope='tasks', exp=int(time.time()) - 5)}"},
        {"authorization": f"Bearer {KeyPair.rsa('one').token(scope='tasks')}"},
    ],
    ids=["none", "nonsense", "empty", "basic", "audience", "expired", "forged"],
)
def test_who_proves_nothing_is_told_where_to_get_a_token(guarded: Endpoint, headers: dict[str, str]) -> None:
    answer = raw(guarded, **headers)
    assert answer.status_code == 401
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('Bearer error="invalid_token"')
    assert f'resource_metadata="{METADATA_URL}"' in challenge


@pytest.mark.parametrize("version", VERSIONS)
def test_a_token_without_the_scope_is_refused_with_its_name(guarded: Endpoint, version: str) -> None:
    assert ask(guarded, version, KEY.token(scope="mail"), "tools/call", CALL).status == 403
    answer = raw(guarded, authorization=f"Bearer {KEY.token(scope='mail')}")
    challenge = answer.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert "tasks" in challenge
    assert f'resource_metadata="{METADATA_URL}"' in challenge


def test_the_resources_metadata_is_there_without_a_token(guarded: Endpoint) -> None:
    base = guarded.url.removesuffix("/mcp")
    metadata = httpx2.get(f"{base}/.well-known/oauth-protected-resource/mcp", timeout=20).json()
    assert metadata["resource"] == AUDIENCE
    assert metadata["authorization_servers"] == [ISSUER]
    assert metadata["scopes_supported"] == ["tasks"]


def test_health_needs_no_token(guarded: Endpoint) -> None:
    base = guarded.url.removesuffix("/mcp")
    assert [httpx2.get(f"{base}{path}", timeout=20).status_code for path in ("/healthz", "/readyz")] == [200, 200]


def test_lists_are_offered_and_everybody_s_own(guarded: Endpoint) -> None:
    carol, dave = KEY.token("carol", scope="tasks"), KEY.token("dave", scope="tasks")
    task_id = made_by(guarded, "old", carol)
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    assert "list" in ask(guarded, "old", carol, "initialize", hello).result["capabilities"]["tasks"]
    assert [task["taskId"] for task in ask(guarded, "old", carol, "tasks/list", {}).result["tasks"]] == [task_id]
    assert ask(guarded, "old", dave, "tasks/list", {}).result["tasks"] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_while_the_issuer_is_away_callers_are_told_to_come_back(version: str, tmp_path: Path) -> None:
    (tmp_path / "robot").write_text(BOT)
    with issuing(KEY) as issuer:
        issuer.status = 503
        settings = configured(issuer.url, auth_tokens=tmp_path)
        with serving(settings, authentication=Authentication.from_settings(settings)) as served:
            token = KEY.token(scope="tasks")
            refused = ask(served, version, token, "tools/call", CALL)
            assert refused.status == 503
            assert refused.error["message"].startswith("The server cannot verify tokens now")
            assert raw(served, authorization=f"Bearer {token}").headers["retry-after"] == "5"
            assert raw(served).status_code == 401
            assert raw(served, authorization="Bearer nonsense").status_code == 401
            assert ask(served, version, BOT, "tools/call", CALL).status == 200
            issuer.status = None
            deadline = time.monotonic() + 120
            while (answer := ask(served, version, token, "tools/call", CALL)).status == 503:
                assert time.monotonic() < deadline
                time.sleep(0.2)
            assert answer.status == 200


def test_a_rotated_key_is_followed(guarded: Endpoint, issuer: Issuer) -> None:
    assert ask(guarded, "new", KEY.token(scope="tasks"), "tools/call", CALL).status == 200
    issuer.keys = [KEY, NEXT_KEY]
    deadline = time.monotonic() + 120
    while ask(guarded, "new", NEXT_KEY.token(scope="tasks"), "tools/call", CALL).status == 401:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_server_that_verifies_tokens_itself_is_not_combined_with_settings(issuer: Issuer) -> None:
    settings = configured(issuer.url)
    authentication = Authentication.from_settings(settings)
    assert authentication is not None
    own: TaskServer[Any] = TaskServer("own", token_verifier=authentication, auth=authentication.sdk)
    with pytest.raises(TaskConfigError, match="verifies tokens itself"):
        own.require_tokens(authentication.sdk, authentication)
    assert make_server().authenticates is False
