"""Streams end with the token that opened them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from mcptasks.server.auth.authentication import Authentication
from mcptasks.settings import Settings
from tests.support.issuer import AUDIENCE, ISSUER, KeyPair, issuing
from tests.support.mcp import Stream
from tests.unit.protocol.conftest import Endpoint, ask, serving
from tests.unit.protocol.test_subscriptions import ABLE

KEY = KeyPair.ec("one")
ALICE = "a" * 32
TOKEN_SECONDS = 3

Open = Callable[[Endpoint, str, str], AbstractContextManager[Stream]]


def listen(endpoint: Endpoint, task_id: str, token: str) -> AbstractContextManager[Stream]:
    wanted = {"notifications": {"taskIds": [task_id]}, "_meta": ABLE}
    return endpoint.stream("subscriptions/listen", wanted, authorization=f"Bearer {token}")


def result(endpoint: Endpoint, task_id: str, token: str) -> AbstractContextManager[Stream]:
    return endpoint.old_stream("tasks/result", {"taskId": task_id}, authorization=f"Bearer {token}")


def make(endpoint: Endpoint, token: str) -> str:
    call = {"name": "add", "arguments": {"a": 1, "b": 2}, "task": {}}
    task_id: str = ask(endpoint, "old", token, "tools/call", call).result["task"]["taskId"]
    return task_id


@contextmanager
def authenticated(settings: Settings) -> Iterator[Endpoint]:
    with serving(settings, authentication=Authentication.from_settings(settings)) as endpoint:
        yield endpoint


@pytest.fixture
def by_issuer() -> Iterator[Endpoint]:
    with (
        issuing(KEY) as issuer,
        authenticated(Settings(auth_issuer=ISSUER, auth_audience=[AUDIENCE], auth_jwks_url=issuer.url)) as endpoint,
    ):
        yield endpoint


@pytest.mark.parametrize("opened", [listen, result])
def test_a_stream_ends_when_its_token_expires(by_issuer: Endpoint, opened: Open) -> None:
    task_id = make(by_issuer, KEY.token())
    expires = int(time.time()) + TOKEN_SECONDS
    with opened(by_issuer, task_id, KEY.token(exp=expires)) as stream:
        last = stream.rest()[-1]
    assert time.time() >= expires
    assert "result" in last or last["error"]["data"] == {"reason": "TokenLapsed"}
    by_issuer.complete(task_id)


def test_a_stream_with_a_token_that_lasts_goes_on_to_its_end(by_issuer: Endpoint) -> None:
    task_id = make(by_issuer, KEY.token())
    with listen(by_issuer, task_id, KEY.token()) as stream:
        stream.next()
        by_issuer.complete(task_id)
        *_, ended, _answer = stream.rest()
    assert ended["params"]["status"] == "completed"


@pytest.mark.parametrize("opened", [listen, result])
def test_a_stream_ends_when_its_token_is_revoked(tmp_path: Path, opened: Open) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"alice: {ALICE}")
    with authenticated(Settings(auth_tokens=tokens)) as endpoint:
        task_id = make(endpoint, ALICE)
        with opened(endpoint, task_id, ALICE) as stream:
            tokens.write_text("")
            last = stream.rest()[-1]
    assert "result" in last or last["error"]["data"] == {"reason": "TokenLapsed"}
