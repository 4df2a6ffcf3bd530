"""Tasks belong to who made them: over raw HTTP, with bearer tokens, in both protocol versions."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Elicit, Resolve
from pydantic import AnyHttpUrl

from mcptasks import TaskServer
from mcptasks.model.base import JsonObject
from mcptasks.settings import Settings
from tests.support.mcp import EXTENSION
from tests.unit.protocol.conftest import Confirmation, Endpoint, ask, serving
from tests.unit.protocol.question_forms import Name

CALL: JsonObject = {"name": "add", "arguments": {"a": 1, "b": 2}}
CALLERS = {
    "alice": ("app", "alice"),
    "alice-elsewhere": ("other-app", "alice"),
    "bob": ("app", "bob"),
}
STRANGERS = ("alice-elsewhere", "bob")
UNKNOWN_ID = "add-aaaaaaaaaaaaaaaaaaaaaaaaaa"


def who() -> Elicit[Name]:
    return Elicit("Who?", Name)


class KnownTokens:
    """Knows the tokens of `CALLERS`."""

    async def verify_token(self, token: str) -> AccessToken | None:
        if token not in CALLERS:
            return None
        client, subject = CALLERS[token]
        return AccessToken(token=token, client_id=client, scopes=[], subject=subject, claims={"iss": "https://issuer"})


def guarded_server() -> TaskServer[Any]:
    """A server that wants one of the callers' tokens."""
    auth = AuthSettings(
        issuer_url=AnyHttpUrl("https://issuer.example"),
        resource_server_url=AnyHttpUrl("http://127.0.0.1/mcp"),
        validate_token_resource=False,
    )
    mcp: TaskServer[Any] = TaskServer("test", tasks=True, token_verifier=KnownTokens(), auth=auth)

    @mcp.tool()
    def add(a: int, b: int) -> int:
        return a + b

    @mcp.tool()
    async def ask(ctx: Context[Any]) -> str:
        return (await ctx.elicit("sure?", Confirmation)).action

    @mcp.tool()
    def greet(name: Annotated[Name, Resolve(who)]) -> str:
        return name.name

    return mcp


@pytest.fixture(scope="module")
def guarded() -> Iterator[Endpoint]:
    with serving(Settings(max_tasks_per_caller=50), guarded_server()) as served:
        yield served


def made_by(endpoint: Endpoint, caller: str, **meta: Any) -> str:
    params = {**CALL, "task": {}, "_meta": meta}
    return str(ask(endpoint, "old", caller, "tools/call", params).result["task"]["taskId"])


@pytest.mark.parametrize("caller", STRANGERS)
@pytest.mark.parametrize(
    ("version", "method"),
    [
        ("old", "tasks/get"),
        ("old", "tasks/result"),
        ("old", "tasks/cancel"),
        ("new", "tasks/get"),
        ("new", "tasks/cancel"),
        ("new", "tasks/update"),
    ],
)
def test_a_strangers_request_is_answered_as_one_for_an_unknown_id(
    guarded: Endpoint, version: str, method: str, caller: str
) -> None:
    task_id = made_by(guarded, "alice")
    more: JsonObject = {"inputResponses": {}} if method == "tasks/update" else {}
    foreign = ask(guarded, version, caller, method, {"taskId": task_id, **more})
    unknown = ask(guarded, version, caller, method, {"taskId": UNKNOWN_ID, **more})
    assert (foreign.status, foreign.error) == (unknown.status, unknown.error)
    assert foreign.error["code"] == -32602
    assert ask(guarded, "old", "alice", "tasks/get", {"taskId": task_id}).result["status"] == "working"


def test_its_owner_reads_it_in_either_version(guarded: Endpoint) -> None:
    task_id = made_by(guarded, "alice")
    for version in ("old", "new"):
        assert ask(guarded, version, "alice", "tasks/get", {"taskId": task_id}).result["taskId"] == task_id


def test_everybody_lists_their_own(guarded: Endpoint) -> None:
    made = {caller: made_by(guarded, caller) for caller in CALLERS}
    for caller, own in made.items():
        listed = [task["taskId"] for task in ask(guarded, "old", caller, "tasks/list", {}).result["tasks"]]
        assert own in listed
        assert not set(listed) & (set(made.values()) - {own})


def test_lists_are_announced_where_callers_can_be_told_apart(guarded: Endpoint) -> None:
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    assert "list" in ask(guarded, "old", "alice", "initialize", hello).result["capabilities"]["tasks"]


def test_the_principal_is_in_the_task(guarded: Endpoint) -> None:
    spec = guarded.tasks.items[made_by(guarded, "bob")]["spec"]
    assert spec["principal"] == {"clientId": "app", "issuer": "https://issuer", "subject": "bob"}
    assert "bob" not in str(spec["request"])


def test_an_idempotency_key_is_its_callers_own(guarded: Endpoint) -> None:
    key = {"mcptasks.dev/idempotency-key": "nightly"}
    ids = {caller: made_by(guarded, caller, **key) for caller in CALLERS}
    assert len(set(ids.values())) == len(CALLERS)
    assert made_by(guarded, "bob", **key) == ids["bob"]


def test_the_limit_is_each_callers_own(guarded: Endpoint) -> None:
    for _ in range(50):
        answer = ask(guarded, "new", "bob", "tools/call", CALL)
        if "error" in answer.message:
            break
    assert ask(guarded, "new", "bob", "tools/call", CALL).error["data"]["reason"] == "TooManyTasks"
    keyed = {**CALL, "_meta": {"mcptasks.dev/idempotency-key": str(uuid.uuid4())}}
    assert ask(guarded, "new", "bob", "tools/call", keyed).error["data"]["reason"] == "TooManyTasks"
    assert ask(guarded, "new", "alice", "tools/call", CALL).result["status"] == "working"


def test_the_limit_of_subscriptions_is_each_callers_own() -> None:
    wanted = {"notifications": {"toolsListChanged": True}}
    listen = "subscriptions/listen"
    with (
        serving(Settings(max_subscriptions_per_caller=1), guarded_server()) as served,
        served.stream(listen, wanted, authorization="Bearer bob") as stream,
    ):
        stream.next()
        assert ask(served, "new", "bob", listen, wanted).error["data"]["reason"] == "TooManySubscriptions"
        with served.stream(listen, wanted, authorization="Bearer alice") as other:
            assert other.next()["method"] == "notifications/subscriptions/acknowledged"


@pytest.mark.parametrize("version", ["old", "new"])
@pytest.mark.parametrize("token", [None, "mallory"])
def test_without_a_valid_token_nothing_is_answered(guarded: Endpoint, version: str, token: str | None) -> None:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    for method, params in (("tasks/get", {"taskId": UNKNOWN_ID}), ("tools/call", CALL)):
        assert getattr(guarded, version)(method, params, **headers).status == 401


@pytest.mark.parametrize("caller", STRANGERS)
def test_a_stranger_is_told_nothing_of_a_task(guarded: Endpoint, caller: str) -> None:
    task_id = made_by(guarded, "alice")
    wanted = {"notifications": {"taskIds": [task_id]}}
    told = {}
    for who in (caller, "alice"):
        with guarded.stream("subscriptions/listen", wanted, authorization=f"Bearer {who}") as stream:
            told[who] = stream.next()["params"]["notifications"]["taskIds"]
    assert told == {caller: [], "alice": [task_id]}


@pytest.mark.parametrize("caller", STRANGERS)
def test_a_stranger_cannot_go_on_with_a_call_that_was_asked_something(guarded: Endpoint, caller: str) -> None:
    able: JsonObject = {
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {EXTENSION: {}}, "elicitation": {}}
    }
    call: JsonObject = {"name": "greet", "arguments": {}, "_meta": able}
    asked = ask(guarded, "new", "alice", "tools/call", call).result
    answers = {key: {"action": "accept", "content": {"name": "Ada"}} for key in asked["inputRequests"]}
    again = {**call, "inputResponses": answers, "requestState": asked["requestState"]}
    assert ask(guarded, "new", caller, "tools/call", again).error["data"] == {"reason": "invalid_request_state"}
    assert ask(guarded, "new", "alice", "tools/call", again).result["resultType"] == "task"
