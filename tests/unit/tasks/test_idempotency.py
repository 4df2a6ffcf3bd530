"""When two calls are one, and which keys can say so."""

from __future__ import annotations

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.model.task import Principal
from mcptasks.tasks.idempotency import check_key, digest, refuse_other
from mcptasks.tasks.service_errors import InvalidCallError

SOMEBODY = Principal(subject="s")


@pytest.mark.parametrize(
    ("key", "principal", "single_user", "allowed"),
    [
        ("k", SOMEBODY, False, True),
        ("k", None, True, True),
        ("k", None, False, False),
        ("k" * 32, None, False, True),
        ("", SOMEBODY, False, False),
        ("k" * 257, SOMEBODY, False, False),
    ],
)
def test_a_key_is_as_hard_to_guess_as_it_must_be(
    key: str, principal: Principal | None, single_user: bool, allowed: bool
) -> None:
    if allowed:
        check_key(key, principal, single_user)
        return
    with pytest.raises(InvalidCallError):
        check_key(key, principal, single_user)


def spec(**changed: object) -> JsonObject:
    body = {"component": {"name": "t"}, "arguments": {"a": 1, "b": 2}, "idempotencyKey": digest("k"), "ttlMs": 1}
    return {"spec": body | changed}


@pytest.mark.parametrize(
    ("asked", "same"),
    [
        (spec(), True),
        (spec(ttlMs=2), True),
        (spec(component={"kind": "tool", "name": "t"}), True),
        (spec(argumentsText='{"b": 2, "a": 1}', arguments={}), True),
        (spec(arguments={"a": 1}), False),
        (spec(component={"name": "u"}), False),
        (spec(component={"kind": "prompt", "name": "t"}), False),
        (spec(idempotencyKey=digest("another")), False),
    ],
)
def test_a_repeated_call_has_the_same_component_and_arguments(asked: JsonObject, same: bool) -> None:
    if same:
        refuse_other(spec(), asked)
        return
    with pytest.raises(InvalidCallError, match="used before with other arguments"):
        refuse_other(spec(), asked)


@pytest.mark.parametrize("text", ["{", "[" * 9000, "NaN{"])
def test_a_stored_task_whose_arguments_are_no_json_is_of_another_call(text: str) -> None:
    with pytest.raises(InvalidCallError):
        refuse_other(spec(argumentsText=text), spec())
