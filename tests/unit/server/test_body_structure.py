"""What is too much structure for a request's body, and how it is refused."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.server.body_structure import MAX_DEPTH, refusal_of
from mcptasks.settings import Settings
from tests.support.mcp import ACCEPT, NEW, OLD
from tests.unit.protocol.conftest import serving

LIMIT = 50
MANY: list[JsonObject] = [{}] * LIMIT


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": [value]} if isinstance(value, dict) else {"a": value}
    return value


@pytest.mark.parametrize(
    "value",
    [
        {},
        [1] * (LIMIT - 1),
        {"text": ",[{" * 1000},
        {"text": '\\",[{' * 1000},
        {"text": "\\" * 1001 + '"' * 1001},
        {",[{" * 30: ",[{" * 30},
        {"a": "[" * (MAX_DEPTH + 1)},
    ],
)
def test_what_is_within_bounds_is_taken(value: object) -> None:
    assert refusal_of(json.dumps(value).encode(), LIMIT) is None


@pytest.mark.parametrize(
    "value", [MANY, {"a": MANY}, [[]] * LIMIT, ["a"] * LIMIT, ["a,b"] * 1000, {"x": [0, {}] * LIMIT}]
)
def test_more_values_than_allowed_are_refused(value: object) -> None:
    refusal = refusal_of(json.dumps(value).encode(), LIMIT)
    assert refusal is not None
    assert "more than 50 JSON values" in refusal.message


def test_strings_hide_no_values() -> None:
    text = r'["\\",' + "1," * LIMIT + r'"\\"]'
    assert refusal_of(text.encode(), LIMIT) is not None


def test_a_value_that_is_too_deep_is_refused() -> None:
    assert refusal_of(json.dumps([[[]] * 10]).encode(), 1000) is None
    for text in (json.dumps(nested(MAX_DEPTH + 1)), "[" * (MAX_DEPTH + 1)):
        refusal = refusal_of(text.encode(), 1000)
        assert refusal is not None
        assert "deep" in refusal.message


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_only_utf_8_is_taken(encoding: str) -> None:
    refusal = refusal_of(json.dumps({}).encode(encoding), LIMIT)
    assert refusal is not None
    assert refusal.status is HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize("version", [OLD, NEW])
@pytest.mark.parametrize("method", ["tools/call", "tasks/get", "ping"])
def test_a_request_with_too_many_values_is_refused_before_it_is_parsed(version: str, method: str) -> None:
    with serving(Settings(max_body_values=1000)) as endpoint:
        call = {"name": "add", "arguments": {"a": 1, "b": 2}, "taskId": "x", "_meta": {"x": [{}] * 1000}}
        answer = endpoint.post(method, call, {"mcp-protocol-version": version, "mcp-method": method})
        assert (answer.status, answer.error["code"]) == (413, -32600)
        assert "more than 1000 JSON values" in answer.error["message"]
        assert endpoint.tasks.writes == 0
        assert endpoint.old("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}}).result


def test_a_body_is_checked_in_whatever_pieces_it_comes() -> None:
    body = json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"_meta": {"x": [{}] * 200_000}}}
    ).encode()
    pieces = (body[at : at + 1000] for at in range(0, len(body), 1000))
    headers = ACCEPT | {"content-type": "application/json"}
    with serving(Settings()) as endpoint:
        response = endpoint.http.post(endpoint.url, content=pieces, headers=headers)
    assert response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
