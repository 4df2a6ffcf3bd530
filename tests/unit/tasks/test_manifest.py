"""The object that a call becomes."""

from __future__ import annotations

from typing import Any

import pytest

from mcptasks.model.base import LABEL_COMPONENT, LABEL_PRINCIPAL, LABEL_SERVER, JsonObject
from mcptasks.model.task import Component, ComponentKind, Principal, Request, TraceContext
from mcptasks.model.task_config import TaskConfig
from mcptasks.settings import Settings
from mcptasks.tasks.calls import Call
from mcptasks.tasks.manifest import TaskManifest, survives_api_server
from mcptasks.tasks.service_errors import InvalidCallError
from tests.support.odd_objects import nested

REPORT = Component(name="report")
KEY = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


def built(call: Call, **settings: Any) -> dict[str, Any]:
    return TaskManifest(Settings(**settings), "ns").build(call)


def test_it_has_what_the_call_says_and_labels_to_select_by() -> None:
    call = Call(REPORT, {"year": 2026, "note": None}, principal=Principal(client_id="c", subject="s"))
    body = built(call, server_name="reports")
    assert body["spec"]["arguments"] == {"year": 2026, "note": None}, "a JSON null is a value"
    assert "argumentsText" not in body["spec"]
    labels = body["metadata"]["labels"]
    assert (labels[LABEL_SERVER], labels[LABEL_COMPONENT]) == ("reports", "report")
    assert labels[LABEL_PRINCIPAL] != labels[LABEL_COMPONENT]
    assert body["metadata"]["namespace"] == "ns"


def test_a_key_decides_the_name_and_is_stored_as_a_hash_only() -> None:
    first, second = (built(Call(REPORT, {}, idempotency_key=KEY)) for _ in range(2))
    assert first["metadata"]["name"] == second["metadata"]["name"]
    assert KEY not in str(first)
    assert built(Call(REPORT, {}))["metadata"]["name"] != built(Call(REPORT, {}))["metadata"]["name"]


@pytest.mark.parametrize(
    ("asked", "configured", "agreed"),
    [(None, None, 60_000), (None, 5, 5_000), (7_000, 5, 7_000), (9_000_000, None, 100_000), (0, 5, 0)],
)
def test_the_ttl_is_what_the_caller_asks_within_bounds(asked: int | None, configured: int | None, agreed: int) -> None:
    call = Call(REPORT, {}, TaskConfig(ttl=configured), ttl_ms=asked)
    assert built(call, default_ttl_seconds=60, max_ttl_seconds=100)["spec"]["ttlMs"] == agreed


@pytest.mark.parametrize(("can_ask", "configured", "seconds"), [(False, 9, None), (True, None, 50), (True, 0, None)])
def test_only_what_can_ask_may_wait_for_input(can_ask: bool, configured: int | None, seconds: int | None) -> None:
    call = Call(REPORT, {}, TaskConfig(input_timeout=configured), can_ask=can_ask)
    assert built(call, default_input_timeout_seconds=50)["spec"].get("inputTimeoutSeconds") == seconds


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (Call(REPORT, {"a": nested(126)}), "nests deeper than 126 levels"),
        (Call(REPORT, {}, request=Request(meta={"a": nested(126)})), "nests deeper than 126 levels"),
        (Call(REPORT, {"text": "é" * 50}), "Arguments are 111 bytes of JSON, the limit is 100"),
        (Call(REPORT, {}, request=Request(input_responses={"a": "x" * 100})), "Answers are 1"),
        (Call(REPORT, {}, ttl_ms=-1), "Invalid ttl -1"),
        (Call(REPORT, {}, idempotency_key="short"), "too short for a caller without authentication"),
    ],
)
def test_what_is_out_of_bounds_is_refused(call: Call, message: str) -> None:
    with pytest.raises(InvalidCallError, match=message):
        built(call, max_arguments_bytes=100)


LARGE: JsonObject = {"x": [{}] * 500}


@pytest.mark.parametrize(
    "call",
    [
        Call(REPORT, {}, request=Request(meta=LARGE)),
        Call(REPORT, {}, request=Request(client_info=LARGE)),
        Call(REPORT, {}, request=Request(client_capabilities=LARGE)),
        Call(REPORT, {}, request=Request(headers={"x": "y" * 1000})),
        Call(REPORT, {}, principal=Principal(subject="s", claims=LARGE)),
        Call(REPORT, {}, principal=Principal(subject="s" * 1000)),
        Call(REPORT, {}, trace_context=TraceContext(baggage="x" * 1000)),
        Call(Component(kind=ComponentKind.RESOURCE, name="x:" + "y" * 1000), {}),
    ],
)
def test_no_part_of_a_call_is_kept_without_a_limit(call: Call) -> None:
    with pytest.raises(InvalidCallError, match=r"besides the arguments is .* bytes of JSON, the limit is 1024"):
        built(call, max_metadata_bytes=1024)


def test_arguments_and_answers_do_not_count_towards_the_limit_of_the_rest() -> None:
    request = Request(input_responses=LARGE, request_state="x" * 1000)
    assert built(Call(REPORT, LARGE, request=request), max_metadata_bytes=1024)


@pytest.mark.parametrize(
    ("value", "survives"),
    [
        (2**63 - 1, True),
        (2**63, False),
        (-(2**63), True),
        (1.5, True),
        (1.0, False),
        (True, True),
        (None, True),
        ({"a": [1, "x", {"b": 2.0}]}, False),
        ({"a": [1, "x", {"b": 2.5}]}, True),
    ],
)
def test_what_the_api_server_would_change_is_kept_as_text_too(value: object, survives: bool) -> None:
    assert survives_api_server(value) is survives
    assert ("argumentsText" in built(Call(REPORT, {"value": value}))["spec"]) is not survives
