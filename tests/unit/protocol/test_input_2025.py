"""What a running task asks, over protocol version 2025-11-25: requests on the stream of tasks/result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from mcptasks.kube.errors import UnavailableError
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import utc_now
from mcptasks.model.questions import asked
from mcptasks.model.task import InputRequest
from mcptasks.settings import Settings
from tests.support.mcp import ACCEPT, OLD, Stream
from tests.unit.protocol.conftest import Endpoint, serving
from tests.unit.protocol.test_callers import guarded_server

RELATED = "io.modelcontextprotocol/related-task"
FORM: JsonObject = {"mode": "form", "message": "sure?", "requestedSchema": {"type": "object", "properties": {}}}
COLOURS: JsonObject = {
    "mode": "form",
    "message": "which?",
    "requestedSchema": {
        "type": "object",
        "properties": {"colour": {"type": "string", "enum": ["red", "green"]}},
        "required": ["colour"],
    },
}
PAGE: JsonObject = {"mode": "url", "message": "look", "url": "https://example.org/a", "elicitationId": "e-1"}
YES: JsonObject = {"action": "accept", "content": {"ok": True}}
ABLE: JsonObject = {"elicitation": {}}


def question(key: str, method: str = "elicitation/create", params: JsonObject = FORM) -> InputRequest:
    return InputRequest(key=key, method=method, params_text=json.dumps(params), message="sure?")


def ask(endpoint: Endpoint, task_id: str, *questions: InputRequest) -> None:
    """What the gateway writes for a tool that asks."""
    endpoint.change(task_id, lambda task: asked(task, questions, utc_now()))


def asking(endpoint: Endpoint, *keys: str, **headers: str) -> str:
    """A task whose tool asks."""
    call = {"name": "ask", "arguments": {}, "task": {}}
    task_id = str(endpoint.old("tools/call", call, **headers).result["task"]["taskId"])
    ask(endpoint, task_id, *(question(key) for key in keys))
    return task_id


def requests(messages: Stream, count: int) -> list[JsonObject]:
    """The next requests of the server's; what comes in between is left out."""
    found: list[JsonObject] = []
    while len(found) < count:
        message = messages.next()
        if "id" in message and "method" in message:
            found.append(message)
    return found


def states(notes: list[JsonObject]) -> list[str]:
    """The statuses that were told."""
    return [note["params"]["status"] for note in notes if note["method"] == "notifications/tasks/status"]


def kept(endpoint: Endpoint, task_id: str) -> list[JsonObject]:
    """The task's questions with their answers, as they are stored."""
    stored: list[JsonObject] = endpoint.tasks.items[task_id]["status"]["inputRequests"]
    return stored


@pytest.fixture
def able(endpoint: Endpoint) -> dict[str, str]:
    """The headers of a client that has declared elicitation."""
    return endpoint.hello(ABLE)


def test_a_question_comes_on_the_stream_of_the_result_which_goes_on_to_the_end(
    endpoint: Endpoint, able: dict[str, str]
) -> None:
    task_id = endpoint.create("ask")
    with endpoint.old_stream("tasks/result", {"taskId": task_id}, **able) as messages:
        ask(endpoint, task_id, question("1-1"))
        told: list[JsonObject] = []
        while "id" not in (message := messages.next()):
            told.append(message)
        assert message == {
            "jsonrpc": "2.0",
            "id": f"task:{task_id}:1-1",
            "method": "elicitation/create",
            "params": {**FORM, "_meta": {RELATED: {"taskId": task_id}}},
        }
        assert endpoint.get(task_id)["status"] == "input_required"
        answer = {**YES, "_meta": {RELATED: {"taskId": task_id}}}
        accepted = endpoint.respond(message["id"], {"result": answer}, **able)
        assert (accepted.status_code, accepted.content) == (202, b"")
        assert kept(endpoint, task_id)[0]["responseText"] == '{"action":"accept","content":{"ok":true}}'
        assert endpoint.get(task_id)["status"] == "working"
        while states(told)[-1:] != ["working"]:
            told.append(messages.next())
        endpoint.complete(task_id)
        *_, final = list(messages)
    assert final["id"] == 1
    assert final["result"]["structuredContent"] == {"result": 3}
    assert states(told) == ["input_required", "working"]


def test_all_that_is_asked_is_put_at_once_and_answered_in_any_order(endpoint: Endpoint, able: dict[str, str]) -> None:
    task_id = asking(endpoint, "1-1", "1-2")
    with endpoint.old_stream("tasks/result", {"taskId": task_id}, **able) as messages:
        first, second = requests(messages, 2)
        endpoint.respond(second["id"], {"result": YES}, **able)
        assert endpoint.get(task_id)["status"] == "input_required"
        endpoint.respond(first["id"], {"result": {"action": "decline"}}, **able)
        assert endpoint.get(task_id)["status"] == "working"
    texts = [each["responseText"] for each in kept(endpoint, task_id)]
    assert texts == ['{"action":"decline"}', '{"action":"accept","content":{"ok":true}}']


@pytest.mark.parametrize("action", ["decline", "cancel"])
def test_a_user_may_refuse(endpoint: Endpoint, able: dict[str, str], action: str) -> None:
    task_id = asking(endpoint, "1-1")
    assert endpoint.respond(f"task:{task_id}:1-1", {"result": {"action": action}}, **able).status_code == 202
    assert json.loads(kept(endpoint, task_id)[0]["responseText"]) == {"action": action}


def test_an_error_of_the_client_is_the_tools(endpoint: Endpoint, able: dict[str, str]) -> None:
    task_id = asking(endpoint, "1-1")
    error = {"code": -32600, "message": "Elicitation not supported", "data": {"why": "no user"}}
    assert endpoint.respond(f"task:{task_id}:1-1", {"error": error}, **able).status_code == 202
    stored = {"code": -32600, "message": "Elicitation not supported", "dataText": '{"why":"no user"}'}
    assert kept(endpoint, task_id)[0]["error"] == stored
    assert endpoint.get(task_id)["status"] == "working"


@pytest.mark.parametrize(
    "error", [{}, {"code": "x", "message": 1}, {"code": 2**70, "message": "m" * 100_000, "data": "d" * 100_000}]
)
def test_an_error_that_is_not_one_is_an_error_all_the_same(
    endpoint: Endpoint, able: dict[str, str], error: JsonObject
) -> None:
    task_id = asking(endpoint, "1-1")
    assert endpoint.respond(f"task:{task_id}:1-1", {"error": error}, **able).status_code == 202
    stored = kept(endpoint, task_id)[0]["error"]
    assert stored["code"] == -32603
    assert len(json.dumps(stored)) < 40_000


@pytest.mark.parametrize(
    "wrong", [{}, {"action": "perhaps"}, {"action": "accept"}, {"action": "accept", "content": {"text": "x" * 70_000}}]
)
def test_a_malformed_answer_is_refused_and_the_question_stays(
    endpoint: Endpoint, able: dict[str, str], wrong: JsonObject
) -> None:
    task_id = asking(endpoint, "1-1")
    refused = endpoint.respond(f"task:{task_id}:1-1", {"result": wrong}, **able)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, -32602)
    assert "1-1" in refused.json()["error"]["message"]
    assert endpoint.get(task_id)["status"] == "input_required"


def test_an_answer_that_does_not_fit_the_form_is_refused_and_a_right_one_taken(
    endpoint: Endpoint, able: dict[str, str]
) -> None:
    task_id = endpoint.create("ask")
    ask(endpoint, task_id, question("1-1", params=COLOURS))
    wrong = {"result": {"action": "accept", "content": {"colour": "blue"}}}
    refused = endpoint.respond(f"task:{task_id}:1-1", wrong, **able)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, -32602)
    assert "colour: must be one of 'red', 'green'" in refused.json()["error"]["message"]
    assert endpoint.get(task_id)["status"] == "input_required"
    with endpoint.old_stream("tasks/result", {"taskId": task_id}, **able) as messages:
        (request,) = requests(messages, 1)
    right = {"result": {"action": "accept", "content": {"colour": "green"}}}
    assert endpoint.respond(request["id"], right, **able).status_code == 202
    assert endpoint.get(task_id)["status"] == "working"


def test_half_a_character_is_refused_and_the_question_stays(endpoint: Endpoint, able: dict[str, str]) -> None:
    task_id = asking(endpoint, "1-1")
    body = f'{{"jsonrpc":"2.0","id":"task:{task_id}:1-1","result":{{"action":"accept","content":{{"a":"\\ud800"}}}}}}'
    headers = ACCEPT | {"mcp-protocol-version": OLD, **able}
    refused = httpx2.post(endpoint.url, content=body, headers=headers, timeout=20, verify=False)
    assert (refused.status_code, list(refused.json())) == (400, ["jsonrpc", "id", "error"])
    assert endpoint.get(task_id)["status"] == "input_required"


def test_unknown_repeated_and_late_responses_are_accepted_and_change_nothing(
    endpoint: Endpoint, able: dict[str, str]
) -> None:
    task_id = asking(endpoint, "1-1", "1-2")
    endpoint.respond(f"task:{task_id}:1-1", {"result": YES}, **able)
    writes = endpoint.tasks.writes
    unknown = ["task:ask-aaaaaaaaaaaaaaaaaaaaaaaaaa:1-1", "task:../pods:1-1", f"task:{task_id}:9-9", f"task:{task_id}"]
    for request_id in (f"task:{task_id}:1-1", *unknown, "task:", "other", 7):
        assert endpoint.respond(request_id, {"result": {"action": "cancel"}}, **able).status_code == 202
    assert endpoint.tasks.writes == writes
    endpoint.complete(task_id)
    writes = endpoint.tasks.writes
    assert endpoint.respond(f"task:{task_id}:1-2", {"result": YES}, **able).status_code == 202
    assert endpoint.tasks.writes == writes


def test_a_client_that_leaves_the_version_out_is_heard_as_well(endpoint: Endpoint) -> None:
    task_id = asking(endpoint, "1-1")
    body = {"jsonrpc": "2.0", "id": f"task:{task_id}:1-1", "result": YES}
    assert httpx2.post(endpoint.url, json=body, headers=ACCEPT, timeout=20, verify=False).status_code == 202
    assert endpoint.get(task_id)["status"] == "working"


def test_a_question_is_put_again_under_the_same_id_where_the_client_comes_back(
    endpoint: Endpoint, able: dict[str, str]
) -> None:
    task_id = asking(endpoint, "1-1", "1-2")
    with endpoint.old_stream("tasks/result", {"taskId": task_id}, **able) as messages:
        before = requests(messages, 2)
    endpoint.respond(before[0]["id"], {"result": YES}, **able)
    with endpoint.old_stream("tasks/result", {"taskId": task_id}, **able) as messages:
        assert requests(messages, 1) == before[1:]
        ask(endpoint, task_id, question("1-2"), question("1-3"))
        assert [request["id"] for request in requests(messages, 1)] == [f"task:{task_id}:1-3"]


def test_a_replica_that_never_put_the_question_takes_the_answer(endpoint: Endpoint, able: dict[str, str]) -> None:
    task_id = asking(endpoint, "1-1")
    with serving(Settings(), tasks=endpoint.tasks) as other:
        with endpoint.old_stream("tasks/result", {"taskId": task_id}, **able) as messages:
            (request,) = requests(messages, 1)
        assert other.respond(request["id"], {"result": YES}, **able).status_code == 202
        assert "responseText" in kept(endpoint, task_id)[0]
        with other.old_stream("tasks/result", {"taskId": task_id}, **able) as messages:
            other.complete(task_id)
            assert list(messages)[-1]["result"]["structuredContent"] == {"result": 3}


@pytest.mark.parametrize(
    ("declared", "method", "params", "put"),
    [
        (ABLE, "elicitation/create", FORM, True),
        ({"elicitation": {"form": {}}}, "elicitation/create", FORM, True),
        ({"elicitation": {"url": {}}}, "elicitation/create", FORM, False),
        ({"elicitation": {"form": {}, "url": {}}}, "elicitation/create", PAGE, True),
        (ABLE, "elicitation/create", PAGE, False),
        ({"elicitation": {"url": {}}}, "elicitation/create", {"mode": "url", "message": "no id"}, False),
        ({"sampling": {}}, "sampling/createMessage", {"messages": [], "maxTokens": 5}, True),
        (ABLE, "sampling/createMessage", {"messages": [], "maxTokens": 5}, False),
        ({"roots": {"listChanged": True}}, "roots/list", {}, True),
        ({}, "roots/list", {}, False),
    ],
)
def test_only_what_the_client_has_declared_is_put(
    endpoint: Endpoint, declared: JsonObject, method: str, params: JsonObject, put: bool
) -> None:
    headers = endpoint.hello(declared)
    task_id = endpoint.create("ask")
    ask(endpoint, task_id, question("1-1", method, params))
    with endpoint.old_stream("tasks/result", {"taskId": task_id}, **headers) as messages:
        if put:
            (request,) = requests(messages, 1)
            assert request["method"] == method
        endpoint.complete(task_id)
        assert [message.get("method") for message in messages if "id" in message] == [None]


@pytest.mark.parametrize("session", [None, "", "0123456789abcdef", "mct1", "mct2_elicitation_00"])
def test_nothing_is_put_to_a_client_of_which_nobody_knows_what_it_declared(
    endpoint: Endpoint, session: str | None
) -> None:
    headers = {} if session is None else {"mcp-session-id": session}
    task_id = asking(endpoint, "1-1", **headers)
    assert "clientCapabilities" not in endpoint.tasks.items[task_id]["spec"]["request"] or session == "mct1"
    with endpoint.old_stream("tasks/result", {"taskId": task_id}, **headers) as messages:
        endpoint.complete(task_id)
        assert not [message for message in messages if "method" in message and "id" in message]


def test_the_task_knows_what_its_client_has_declared(endpoint: Endpoint) -> None:
    declared = {"elicitation": {"form": {}, "url": {"x": 1}}, "roots": {"listChanged": True}, "experimental": {"e": {}}}
    task_id = asking(endpoint, "1-1", **endpoint.hello(declared))
    stored = endpoint.tasks.items[task_id]["spec"]["request"]["clientCapabilities"]
    assert stored == {"elicitation": {"form": {}, "url": {}}, "roots": {}}


def test_session_ids_are_unique(endpoint: Endpoint) -> None:
    ids = {endpoint.hello(ABLE)["mcp-session-id"] for _ in range(2)}
    assert len(ids) == 2
    assert all(session.isascii() and session.isprintable() and " " not in session for session in ids)
    hello: JsonObject = {"capabilities": ABLE, "clientInfo": {"name": "t", "version": "1"}}
    older = [endpoint.post("initialize", {**hello, "protocolVersion": "2025-06-18"}, {}) for _ in range(2)]
    assert len({answer.headers["mcp-session-id"] for answer in older}) == 2
    unknown = endpoint.post("initialize", {**hello, "protocolVersion": "1999-01-01"}, {})
    assert unknown.result["protocolVersion"] == OLD
    assert "mcp-session-id" in unknown.headers


def test_the_session_id_of_an_older_version_says_nothing_of_what_was_declared(endpoint: Endpoint) -> None:
    hello: JsonObject = {"capabilities": ABLE, "clientInfo": {"name": "t", "version": "1"}}
    older = endpoint.post("initialize", {**hello, "protocolVersion": "2025-06-18"}, {})
    task_id = asking(endpoint, "1-1", **{"mcp-session-id": older.headers["mcp-session-id"]})
    assert "clientCapabilities" not in endpoint.tasks.items[task_id]["spec"]["request"]


def test_an_answer_that_cannot_be_stored_is_to_be_sent_again(endpoint: Endpoint, able: dict[str, str]) -> None:
    task_id = asking(endpoint, "1-1")
    endpoint.tasks.fail_with = UnavailableError(0, "", "away")
    try:
        refused = endpoint.respond(f"task:{task_id}:1-1", {"result": YES}, **able)
    finally:
        endpoint.tasks.fail_with = None
    assert refused.status_code == 503
    assert "Try again" in refused.json()["error"]["message"]
    assert endpoint.respond(f"task:{task_id}:1-1", {"result": YES}, **able).status_code == 202
    assert "responseText" in kept(endpoint, task_id)[0]


def test_the_way_of_responses_is_not_a_method(endpoint: Endpoint, able: dict[str, str]) -> None:
    task_id = asking(endpoint, "1-1")
    params: Any = {"id": f"task:{task_id}:1-1", "result": YES}
    assert endpoint.old("mcptasks/answer", params, **able).error["code"] == -32601
    assert endpoint.get(task_id)["status"] == "input_required"


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "HEAD"])
@pytest.mark.parametrize("version", [OLD, "2026-07-28", None])
def test_there_is_nothing_but_post(endpoint: Endpoint, method: str, version: str | None) -> None:
    headers = ACCEPT | ({} if version is None else {"mcp-protocol-version": version})
    refused = httpx2.request(method, endpoint.url, headers=headers, timeout=20, verify=False)
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert method == "HEAD" or refused.json()["error"]["code"] == -32600


@pytest.fixture(scope="module")
def guarded() -> Iterator[Endpoint]:
    with serving(Settings(), guarded_server()) as served:
        yield served


class TestCallers:
    @pytest.mark.parametrize("stranger", ["alice-elsewhere", "bob"])
    def test_a_strangers_response_is_dropped_as_one_to_an_unknown_task(self, guarded: Endpoint, stranger: str) -> None:
        alice = guarded.hello(ABLE, authorization="Bearer alice")
        task_id = asking(guarded, "1-1", **alice)
        with guarded.old_stream("tasks/result", {"taskId": task_id}, **alice) as messages:
            (request,) = requests(messages, 1)
        other = guarded.hello(ABLE, authorization=f"Bearer {stranger}")
        unknown = guarded.respond("task:ask-aaaaaaaaaaaaaaaaaaaaaaaaaa:1-1", {"result": YES}, **other)
        dropped = guarded.respond(request["id"], {"result": YES}, **other)
        assert (dropped.status_code, dropped.content) == (unknown.status_code, unknown.content) == (202, b"")
        assert "responseText" not in kept(guarded, task_id)[0]
        assert guarded.respond(request["id"], {"result": YES}, **alice).status_code == 202
        assert "responseText" in kept(guarded, task_id)[0]

    def test_without_a_token_a_response_is_refused(self, guarded: Endpoint) -> None:
        alice = guarded.hello(ABLE, authorization="Bearer alice")
        task_id = asking(guarded, "1-1", **alice)
        del alice["authorization"]
        assert guarded.respond(f"task:{task_id}:1-1", {"result": YES}, **alice).status_code == 401
        assert "responseText" not in kept(guarded, task_id)[0]
