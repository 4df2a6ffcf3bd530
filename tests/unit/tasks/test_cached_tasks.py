"""What a replica keeps of a task, and what it reads off it without parsing it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.model.task import Principal
from mcptasks.tasks.cached_tasks import (
    CACHED_RESULT_CHARACTERS,
    amounts_of,
    cached,
    group_of,
    has_ended,
    is_gone,
    server_of,
)
from mcptasks.tasks.owners import caller_key, owner_of
from tests.unit.tasks.objects import MINE, task_object

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("size", "is_kept"), [(CACHED_RESULT_CHARACTERS, True), (CACHED_RESULT_CHARACTERS + 1, False)])
def test_a_small_result_is_kept_and_a_large_one_is_not(size: int, is_kept: bool) -> None:
    item = task_object(status={"phase": "completed", "result": {"text": "x" * size, "sizeBytes": size}})
    result = cached(item)["status"]["result"]
    assert ("text" in result) is is_kept
    assert result["sizeBytes"] == size
    assert "text" in item["status"]["result"], "what is given is not changed"


def test_what_a_caller_has_sent_is_not_kept() -> None:
    sent: list[JsonObject] = [{}] * 10_000
    item = task_object(
        arguments={"x": sent},
        argumentsText="{}",
        principal=MINE | {"claims": {"x": sent}, "scopes": ["x"] * 1000},
        request={"protocolVersion": "v", "meta": {"x": sent, "progressToken": 7}, "clientInfo": {"x": sent}},
        traceContext={"baggage": "x" * 8000},
    )
    kept = cached(item)
    assert len(str(kept)) < 1000
    assert kept["spec"]["principal"] == MINE
    assert kept["spec"]["request"] == {"protocolVersion": "v", "meta": {"progressToken": 7}}
    assert item["spec"]["arguments"], "what is given is not changed"


@pytest.mark.parametrize("token", ["x" * 1025, None, ["x"], {}])
def test_a_progress_token_that_is_too_long_or_none_is_not_kept(token: object) -> None:
    item = task_object(request={"meta": {"progressToken": token}})
    assert cached(item)["spec"]["request"] == {}


def test_a_task_counts_with_its_object_and_with_the_result_outside_of_it() -> None:
    empty = amounts_of(task_object()).size_bytes
    assert amounts_of(task_object(arguments={"a": "x" * 1000})).size_bytes > empty + 1000
    inside = task_object(status={"result": {"text": "x" * 1000, "sizeBytes": 1000}})
    outside = task_object(status={"result": {"ref": "r", "sizeBytes": 5000}})
    assert empty + 1000 < amounts_of(inside).size_bytes < empty + 1100
    assert empty + 5000 < amounts_of(outside).size_bytes < empty + 5100
    log = task_object(status={"log": {"attempt": 1, "stored": {"ref": "r", "sizeBytes": 5000}}})
    assert empty + 5000 < amounts_of(log).size_bytes < empty + 5100


@pytest.mark.parametrize(
    ("status", "ended"), [(None, False), ({}, False), ({"phase": "input_required"}, False), ({"phase": "failed"}, True)]
)
def test_whether_a_task_has_ended(status: JsonObject | None, ended: bool) -> None:
    item = task_object(status=status, principal=MINE)
    assert has_ended(item) is ended
    assert group_of(item) == ("default", ("c", "i", "s"))
    assert amounts_of(item).unfinished == (0 if ended else 1)
    assert amounts_of(item).tasks == 1


@pytest.mark.parametrize(
    ("expires", "gone"), [(None, False), ("2026-01-01T00:00:01Z", False), ("2026-01-01T00:00:00Z", True)]
)
def test_a_task_is_gone_when_it_expires(expires: str | None, gone: bool) -> None:
    assert is_gone(task_object(status={"expiresAt": expires}), NOW) is gone


def test_a_task_made_with_kubectl_has_the_default_server_and_no_owner() -> None:
    item = task_object()
    del item["spec"]["server"]
    assert server_of(item) == "default"
    assert owner_of(item) is None


@pytest.mark.parametrize("principal", [None, {}, MINE, {"clientId": "c"}, MINE | {"scopes": ["x"]}])
def test_the_owner_of_an_object_is_the_key_of_its_principal(principal: JsonObject | None) -> None:
    item = task_object() if principal is None else task_object(principal=principal)
    assert owner_of(item) == caller_key(None if principal is None else Principal.model_validate(principal))
