"""Calls with an idempotency key, over raw HTTP, to one replica and to two."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import timestamp, utc_now
from mcptasks.model.names import is_task_name
from mcptasks.model.task import Component, Principal
from mcptasks.settings import Settings
from mcptasks.tasks.calls import Call
from mcptasks.tasks.idempotency import MIN_ANONYMOUS_CHARACTERS, check_key, parts
from mcptasks.tasks.service_errors import InvalidCallError
from tests.support.doubles import MemoryTasks
from tests.unit.protocol.conftest import Endpoint, serving

KEY = "mcptasks.dev/idempotency-key"


@pytest.fixture(scope="module")
def replicas() -> Iterator[tuple[Endpoint, Endpoint]]:
    """Two replicas over one cluster; neither has heard of what the other did."""
    tasks = MemoryTasks()
    with serving(Settings(), tasks=tasks) as first, serving(Settings(), tasks=tasks) as second:
        yield first, second


def keyed(key: Any, a: int = 1, **more: Any) -> JsonObject:
    return {"name": "add", "arguments": {"a": a, "b": 2}, "_meta": {KEY: key, **more}}


def old_id(endpoint: Endpoint, call: JsonObject) -> str:
    return str(endpoint.old("tools/call", {**call, "task": {}}).result["task"]["taskId"])


def new_id(endpoint: Endpoint, call: JsonObject) -> str:
    return str(endpoint.new("tools/call", call).result["taskId"])


def fresh_key() -> str:
    return str(uuid.uuid4())


def test_a_repeated_call_is_the_same_task_on_any_replica_and_in_both_versions(
    replicas: tuple[Endpoint, Endpoint],
) -> None:
    one, two = replicas
    call = keyed(fresh_key())
    writes = one.tasks.writes
    ids = {old_id(one, call), old_id(two, call), new_id(one, call), new_id(two, call)}
    assert len(ids) == 1
    assert one.tasks.writes == writes + 1


def test_its_id_is_as_any_other_and_keeps_nothing_of_the_key(replicas: tuple[Endpoint, Endpoint]) -> None:
    key = fresh_key()
    task_id = old_id(replicas[0], keyed(key))
    assert is_task_name(task_id)
    assert len(task_id.rsplit("-", 1)[1]) == 26
    assert key not in str({**replicas[0].tasks.items[task_id], "spec": {"idempotencyKey": "kept as a hash"}})
    assert key not in replicas[0].tasks.items[task_id]["spec"]["idempotencyKey"]


def test_what_belongs_to_one_request_only_does_not_make_another_call(replicas: tuple[Endpoint, Endpoint]) -> None:
    one, two = replicas
    key = fresh_key()
    call = {"name": "add", "arguments": {"a": 1, "b": 2}}
    first = old_id(one, {**call, "_meta": {KEY: key, "progressToken": 1}})
    second = old_id(two, {**call, "arguments": {"b": 2, "a": 1}, "_meta": {KEY: key, "progressToken": 2}})
    assert first == second


@pytest.mark.parametrize("version", ["old", "new"])
def test_the_same_key_with_other_arguments_is_refused(replicas: tuple[Endpoint, Endpoint], version: str) -> None:
    key = fresh_key()
    old_id(replicas[0], keyed(key))
    again = keyed(key, a=5) | ({"task": {}} if version == "old" else {})
    error = getattr(replicas[1], version)("tools/call", again).error
    assert error["code"] == -32602
    assert "used before with other arguments" in error["message"]
    assert "new key" in error["message"]


def test_another_key_or_tool_is_another_task(replicas: tuple[Endpoint, Endpoint]) -> None:
    one, _ = replicas
    key = fresh_key()
    other_tool = {"name": "must", "arguments": {"a": 1}, "_meta": {KEY: key}}
    assert len({old_id(one, keyed(key)), old_id(one, keyed(fresh_key())), old_id(one, other_tool)}) == 3


def test_calls_without_a_key_are_never_the_same(replicas: tuple[Endpoint, Endpoint]) -> None:
    assert replicas[0].make() != replicas[0].make()


def test_of_many_calls_at_once_on_two_replicas_one_makes_the_task(replicas: tuple[Endpoint, Endpoint]) -> None:
    call = keyed(fresh_key())
    writes = replicas[0].tasks.writes
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda number: old_id(replicas[number % 2], call), range(16)))
    assert len(ids) == 1
    assert replicas[0].tasks.writes == writes + 1


def test_a_deleted_task_is_made_anew_and_seen_by_the_replica_that_knew_the_old_one(
    replicas: tuple[Endpoint, Endpoint],
) -> None:
    one, two = replicas
    call = keyed(fresh_key())
    task_id = old_id(one, call)
    expired: JsonObject = {"status": {"expiresAt": timestamp(utc_now() - timedelta(seconds=1))}}
    one.change(task_id, lambda _task: expired)
    # What the TTL controller and the operator do, which neither replica has noticed yet.
    del one.tasks.items[task_id]
    assert old_id(two, call) == task_id
    assert one.get(task_id)["status"] == "working"


def test_an_expired_task_is_waited_out_and_made_anew(replicas: tuple[Endpoint, Endpoint]) -> None:
    one, two = replicas
    call = keyed(fresh_key())
    task_id = old_id(one, call)
    uid = one.tasks.items[task_id]["metadata"]["uid"]
    expired: JsonObject = {"status": {"expiresAt": timestamp(utc_now() - timedelta(seconds=1))}}
    one.change(task_id, lambda _task: expired)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(old_id, two, call)
        del one.tasks.items[task_id]
        assert waiting.result(20) == task_id
    assert one.tasks.items[task_id]["metadata"]["uid"] != uid


@pytest.mark.parametrize("key", [5, True, [], {}, "", "x" * 257])
def test_a_key_that_is_not_one_is_refused(replicas: tuple[Endpoint, Endpoint], key: Any) -> None:
    error = replicas[0].old("tools/call", {**keyed(key), "task": {}}).error
    assert error["code"] == -32602
    assert "idempotency key" in error["message"]
    assert "UUID" in error["message"]


def test_a_caller_who_cannot_be_told_apart_needs_a_key_that_cannot_be_guessed(
    replicas: tuple[Endpoint, Endpoint], single_user_endpoint: Endpoint
) -> None:
    error = replicas[0].old("tools/call", {**keyed("nightly"), "task": {}}).error
    assert error["code"] == -32602
    assert f"at least {MIN_ANONYMOUS_CHARACTERS} characters" in error["message"]
    assert old_id(single_user_endpoint, keyed("nightly"))
    check_key("nightly", Principal(client_id="c", subject="alice"), single_user=False)
    with pytest.raises(InvalidCallError):
        check_key("nightly", None, single_user=False)


def test_principals_servers_and_callers_without_a_token_never_share_a_key() -> None:
    def call(principal: Principal | None) -> Call:
        return Call(component=Component(name="add"), arguments={}, principal=principal)

    who = [None, Principal(), Principal(subject="alice"), Principal(client_id="alice"), Principal(issuer="alice")]
    assert len({parts("s", call(principal), "key") for principal in who}) == len(who)
    assert parts("s", call(None), "key") != parts("t", call(None), "key")
