"""Whatever comes in over HTTP: the answer is a well-formed one, and tells nothing of the server's inside."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcptasks.settings import Settings
from tests.support.mcp import EXTENSION, NEW, OLD
from tests.unit.protocol.conftest import Endpoint, serving
from tests.unit.protocol.test_input_2025 import ask, question

BASE = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
KEY = "mcptasks.dev/idempotency-key"
METHODS = (
    "initialize",
    "ping",
    "server/discover",
    "tools/list",
    "tools/call",
    "prompts/get",
    "resources/read",
    "tasks/get",
    "tasks/result",
    "tasks/list",
    "tasks/cancel",
    "tasks/update",
    "notifications/cancelled",
    "notifications/initialized",
)
"""All that is answered at once; subscriptions/listen is a stream by nature."""

INSIDE = ("Traceback", 'File "', "site-packages", "asyncio", "object at 0x", "Internal server error")
"""What no answer holds: with a cluster that works, nothing that a client sends is an internal error."""

text = st.text(max_size=40)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**30, -(2**63), 2**64, 0, -1]),
    st.floats(allow_nan=False, allow_infinity=False),
    text,
    st.sampled_from(["nobody", "add", "must", "never", "../pods", "a" * 3000, "\x00", "\U0001f600", "60000"]),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4), max_leaves=12
)
known_keys = st.sampled_from(
    ["taskId", "task", "name", "arguments", "cursor", "inputResponses", "uri", "_meta", "requestState", "a", "b"]
)
params = st.dictionaries(known_keys | text, values, max_size=6)
metas = st.dictionaries(
    st.sampled_from(
        [
            KEY,
            "progressToken",
            "traceparent",
            "baggage",
            "io.modelcontextprotocol/related-task",
            "io.modelcontextprotocol/protocolVersion",
            "io.modelcontextprotocol/clientCapabilities",
            "io.modelcontextprotocol/clientInfo",
            "io.modelcontextprotocol/logLevel",
        ]
    ),
    values,
    max_size=4,
)

fuzzed = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with serving(Settings(max_body_bytes=300_000, single_user=True, max_polls_per_second=0)) as served:
        yield served
        # It still works.
        assert served.old("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}}).result["isError"] is False


@pytest.fixture(scope="module")
def asking(endpoint: Endpoint) -> tuple[str, Iterator[str]]:
    """A task and the keys of the questions that it may ask, none twice."""
    return endpoint.create("ask"), (f"1-{number}" for number in itertools.count(1))


@pytest.fixture(scope="module")
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=30) as client:
        yield client


def envelope(meta: dict[str, Any] | None = None) -> dict[str, Any]:
    own = {
        "io.modelcontextprotocol/protocolVersion": NEW,
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {EXTENSION: {}}},
    }
    return own | (meta or {})


def headers_of(version: str, method: str) -> dict[str, str]:
    return {"mcp-protocol-version": version} | ({"mcp-method": method} if version == NEW else {})


def check(response: httpx2.Response) -> None:
    """The answer is JSON-RPC, or empty where there is nothing to answer."""
    assert response.status_code < 500, response.text
    for word in INSIDE:
        assert word not in response.text, response.text
    if response.status_code == 202:
        assert response.text == ""
        return
    lines = [line[5:].strip() for line in response.text.replace("\r\n", "\n").split("\n") if line.startswith("data:")]
    messages = [json.loads(line) for line in lines if line] or [json.loads(response.text)]
    message = messages[-1]
    assert message["jsonrpc"] == "2.0"
    if "error" in message:
        assert isinstance(message["error"]["code"], int)
        assert isinstance(message["error"]["message"], str)
        assert message["error"]["message"]
    else:
        assert response.status_code == 200
        assert isinstance(message["result"], dict)


def send(http: httpx2.Client, endpoint: Endpoint, body: bytes | str, headers: dict[str, Any]) -> httpx2.Response:
    content = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    response = http.post(endpoint.url, content=content, headers=BASE | headers)
    check(response)
    return response


@pytest.mark.parametrize("version", [OLD, NEW])
class TestBodies:
    @fuzzed
    @given(body=st.binary(max_size=200))
    def test_bytes(self, endpoint: Endpoint, http: httpx2.Client, version: str, body: bytes) -> None:
        assert send(http, endpoint, body, headers_of(version, "tools/call")).status_code >= 400

    @fuzzed
    @given(body=values)
    def test_json_that_is_not_a_request(self, endpoint: Endpoint, http: httpx2.Client, version: str, body: Any) -> None:
        send(http, endpoint, json.dumps(body), headers_of(version, "tools/call"))

    @fuzzed
    @given(method=st.sampled_from(METHODS) | text, body=params, meta=metas, number=scalars)
    def test_requests(
        self,
        endpoint: Endpoint,
        http: httpx2.Client,
        version: str,
        method: str,
        body: dict[str, Any],
        meta: dict[str, Any],
        number: Any,
    ) -> None:
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": body | {"_meta": envelope(meta)}}
        header = method if method.isascii() and method.isprintable() else "tools/call"
        send(http, endpoint, json.dumps(request), headers_of(version, header))

    @fuzzed
    @given(
        method=st.sampled_from(["tasks/get", "tasks/result", "tasks/cancel", "tasks/update", "tasks/list"]),
        task_id=values,
        answers=values,
        cursor=values,
    )
    def test_params_of_tasks(
        self,
        endpoint: Endpoint,
        http: httpx2.Client,
        version: str,
        method: str,
        task_id: Any,
        answers: Any,
        cursor: Any,
    ) -> None:
        body = {"taskId": task_id, "inputResponses": answers, "cursor": cursor, "_meta": envelope()}
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": body}
        send(http, endpoint, json.dumps(request), headers_of(version, method))

    @fuzzed
    @given(
        name=st.sampled_from(["add", "must", "never"]) | values,
        arguments=st.dictionaries(st.sampled_from(["a", "b"]) | text, values, max_size=4) | values,
        task=st.fixed_dictionaries({}, optional={"ttl": values}) | values,
        meta=metas,
    )
    def test_tool_calls(
        self,
        endpoint: Endpoint,
        http: httpx2.Client,
        version: str,
        name: Any,
        arguments: Any,
        task: Any,
        meta: dict[str, Any],
    ) -> None:
        body = {"name": name, "arguments": arguments, "task": task, "_meta": envelope(meta)}
        request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": body}
        headers = headers_of(version, "tools/call")
        if version == NEW and isinstance(name, str) and name.isascii() and name.isprintable():
            headers["mcp-name"] = name
        send(http, endpoint, json.dumps(request), headers)

    @fuzzed
    @given(
        outcome=st.fixed_dictionaries({}, optional={"result": values, "error": values, "method": values, "x": values})
        | st.fixed_dictionaries({"result": st.fixed_dictionaries({"action": values}, optional={"content": values})})
        | st.fixed_dictionaries({"error": st.fixed_dictionaries({"code": values, "message": values, "data": values})}),
        wrong=st.none() | values,
    )
    def test_responses(
        self,
        endpoint: Endpoint,
        http: httpx2.Client,
        asking: tuple[str, Iterator[str]],
        version: str,
        outcome: dict[str, Any],
        wrong: Any,
    ) -> None:
        task_id, keys = asking
        key = next(keys)
        ask(endpoint, task_id, question(key))
        request_id = f"task:{task_id}:{key}" if wrong is None else wrong
        send(http, endpoint, json.dumps({"jsonrpc": "2.0", "id": request_id, **outcome}), headers_of(version, "x"))
        assert endpoint.get(task_id)["status"] in ("input_required", "working")

    @pytest.mark.parametrize("depth", [50, 150, 1_000, 100_000])
    @pytest.mark.parametrize("where", ["arguments", "value", "task", "meta", "taskId"])
    def test_deep_nesting(self, endpoint: Endpoint, http: httpx2.Client, version: str, depth: int, where: str) -> None:
        deep = "[" * depth + "]" * depth
        slots = {"arguments": "{}", "value": "1", "task": "{}", "meta": "{}", "taskId": '"nobody"'} | {where: deep}
        arguments = f'{{"a":{slots["value"]},"b":2}}' if where != "arguments" else deep
        envelope_text = json.dumps(envelope())[:-1] + f',"x":{slots["meta"]}}}'
        method = "tasks/get" if where == "taskId" else "tools/call"
        body = (
            f'{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"name":"add","arguments":{arguments},'
            f'"task":{slots["task"]},"taskId":{slots["taskId"]},"_meta":{envelope_text}}}}}'
        )
        headers = headers_of(version, method) | ({"mcp-name": "add"} if version == NEW and where != "taskId" else {})
        send(http, endpoint, body, headers)

    @pytest.mark.parametrize(
        "value",
        [
            "NaN",
            "Infinity",
            "-Infinity",
            "1e999",
            "-0",
            "9" * 5000,
            '"\\ud800"',
            '"\\u0000"',
            "01",
            "'x'",
            '{"a":1,"a":2}',
        ],
    )
    def test_odd_numbers_and_texts(self, endpoint: Endpoint, http: httpx2.Client, version: str, value: str) -> None:
        for body in (f'{{"a":{value},"b":2}}', f'{{"a":1,"b":2,"c":{value}}}'):
            request = (
                f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"add","arguments":{body},'
                f'"task":{{}},"_meta":{json.dumps(envelope())}}}}}'
            )
            headers = headers_of(version, "tools/call") | ({"mcp-name": "add"} if version == NEW else {})
            send(http, endpoint, request, headers)

    @pytest.mark.parametrize("bad", [b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"])
    def test_invalid_utf_8(self, endpoint: Endpoint, http: httpx2.Client, version: str, bad: bytes) -> None:
        request = b'{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"' + bad + b'"}}'
        assert send(http, endpoint, request, headers_of(version, "tasks/get")).status_code == 400


class TestHeaders:
    words = st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=40)

    @fuzzed
    @given(
        headers=st.dictionaries(
            st.sampled_from(
                [
                    "mcp-protocol-version",
                    "mcp-method",
                    "mcp-name",
                    "mcp-session-id",
                    "accept",
                    "content-type",
                    "last-event-id",
                    "traceparent",
                ]
            ),
            words
            | st.sampled_from([OLD, NEW, "tasks/get", "tools/call", "nobody", "=?base64?bm9ib2R5?=", "=?base64?!?="]),
            max_size=5,
        ),
        method=st.sampled_from(["tasks/get", "tools/call", "tools/list"]),
        enveloped=st.booleans(),
    )
    def test_any_headers(
        self, endpoint: Endpoint, http: httpx2.Client, headers: dict[str, str], method: str, enveloped: bool
    ) -> None:
        body: dict[str, Any] = {"name": "add", "arguments": {"a": 1, "b": 2}, "taskId": "nobody"}
        if enveloped:
            body["_meta"] = envelope()
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": body}
        send(http, endpoint, json.dumps(request), headers)

    @pytest.mark.parametrize("value", [b"\xff", b"\xc3\xa9", b"\x80" * 100])
    @pytest.mark.parametrize("name", ["mcp-protocol-version", "mcp-method", "mcp-name"])
    def test_headers_that_are_not_ascii(self, endpoint: Endpoint, http: httpx2.Client, name: str, value: bytes) -> None:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": {"taskId": "n", "_meta": envelope()}}
        send(http, endpoint, json.dumps(body), headers_of(NEW, "tasks/get") | {name: value})

    @pytest.mark.parametrize("verb", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
    def test_other_verbs(self, endpoint: Endpoint, http: httpx2.Client, verb: str) -> None:
        with http.stream(verb, endpoint.url, headers=BASE | {"mcp-protocol-version": NEW}) as response:
            assert response.status_code in (200, 204, 400, 405, 406)

    def test_unknown_paths(self, endpoint: Endpoint, http: httpx2.Client) -> None:
        response = http.post(f"{endpoint.url}/../../etc", json={})
        assert response.status_code == 404
        check(response)
