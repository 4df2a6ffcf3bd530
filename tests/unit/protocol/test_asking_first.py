"""What a tool asks before there is a task, over protocol version 2026-07-28."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from mcp.server.mcpserver.resolve import Elicit, Resolve
from mcp.server.request_state import RequestStateSecurity
from pydantic import SecretStr

from mcptasks import TaskServer
from mcptasks.client import Client, Elicitation
from mcptasks.model.base import JsonObject
from mcptasks.protocol.request_state import RequestStateKeyError, sealed_by
from mcptasks.settings import Settings
from tests.support.doubles import MemoryTasks
from tests.support.mcp import EXTENSION, OLD, McpAnswer
from tests.unit.protocol.conftest import Endpoint, serving
from tests.unit.protocol.question_forms import Name, Sure

KEY, OTHER_KEY = "k" * 32, "o" * 32
ABLE: JsonObject = {"extensions": {EXTENSION: {}}, "elicitation": {}}
UNABLE: JsonObject = {"extensions": {EXTENSION: {}}}


def who() -> Elicit[Name]:
    return Elicit("Who?", Name)


def sure(folder: str, name: Annotated[Name, Resolve(who)]) -> Elicit[Sure] | Sure:
    return Sure(ok=True) if name.name == "Root" else Elicit(f"Delete {folder}, {name.name}?", Sure)


def unannotated():  # type: ignore[no-untyped-def]
    return Elicit("Which?", Name)


def make_server(**options: Any) -> TaskServer[Any]:
    mcp: TaskServer[Any] = TaskServer("test", tasks=True, **options)

    @mcp.tool()
    def greet(name: Annotated[Name, Resolve(who)]) -> str:
        raise AssertionError("tools run in their Jobs")

    @mcp.tool()
    def delete(folder: str, really: Annotated[Sure, Resolve(sure)]) -> str:
        raise AssertionError("tools run in their Jobs")

    @mcp.tool()
    def guess(name: Annotated[Name, Resolve(unannotated)]) -> str:
        raise AssertionError("tools run in their Jobs")

    @mcp.tool()
    def breaks(name: Annotated[Name, Resolve(broken)]) -> str:
        raise AssertionError("tools run in their Jobs")

    @mcp.tool()
    def looks(name: Annotated[Name, Resolve(in_the_job_alone)]) -> str:
        raise AssertionError("tools run in their Jobs")

    return mcp


def broken() -> Elicit[Name]:
    raise FileNotFoundError("/only/in/the/job")


looked: list[int] = []


def in_the_job_alone() -> Name:
    looked.append(1)
    return Name(name="nobody")


@pytest.fixture(scope="module")
def replicas() -> Iterator[tuple[Endpoint, Endpoint]]:
    """Two with the same keys, in another order."""
    tasks = MemoryTasks()
    first, second = (
        Settings(request_state_keys=SecretStr(keys)) for keys in (f"{KEY},{OTHER_KEY}", f"{OTHER_KEY}, {KEY}")
    )
    with serving(first, make_server(), tasks) as one, serving(second, make_server(), tasks) as two:
        yield one, two


@pytest.fixture
def one(replicas: tuple[Endpoint, Endpoint]) -> Endpoint:
    return replicas[0]


@pytest.fixture
def two(replicas: tuple[Endpoint, Endpoint]) -> Endpoint:
    return replicas[1]


def call(
    endpoint: Endpoint,
    tool: str,
    arguments: JsonObject | None = None,
    after: JsonObject | None = None,
    *,
    able: JsonObject = ABLE,
    **answers: JsonObject,
) -> McpAnswer:
    """One round: the call, or, `after` an earlier one, its answers with the state of that."""
    params: JsonObject = {"name": tool, "arguments": arguments or {}}
    if after is not None:
        keys = list(after["inputRequests"])
        given = {key: answers.get(_short(key)) for key in keys if _short(key) in answers}
        params |= {"inputResponses": given, "requestState": after["requestState"]}
    return endpoint.new("tools/call", {**params, "_meta": {"io.modelcontextprotocol/clientCapabilities": able}})


def _short(key: str) -> str:
    """The name of the resolver that a key stands for."""
    return key.rpartition(":")[2].rpartition(".")[2] or key


def accept(**content: object) -> JsonObject:
    return {"action": "accept", "content": content}


def messages(result: JsonObject) -> list[str]:
    assert result["resultType"] == "input_required"
    assert "taskId" not in result
    return [request["params"]["message"] for request in result["inputRequests"].values()]


def test_a_tool_asks_before_there_is_a_task_and_its_body_has_not_run(one: Endpoint) -> None:
    before = len(one.tasks.items)
    asked = call(one, "greet").result
    assert messages(asked) == ["Who?"]
    assert len(one.tasks.items) == before


def test_the_task_is_made_with_the_answers_at_any_replica(one: Endpoint, two: Endpoint) -> None:
    for first, second in ((one, two), (two, one)):
        asked = call(first, "greet").result
        created = call(second, "greet", after=asked, who=accept(name="Ada")).result
        assert (created["resultType"], created["status"]) == ("task", "working")
        request = second.tasks.items[created["taskId"]]["spec"]["request"]
        assert request["inputResponses"] == {next(iter(asked["inputRequests"])): accept(name="Ada")}
        assert request["requestState"] != asked["requestState"]


def test_one_question_may_follow_from_the_answer_to_another(one: Endpoint, two: Endpoint) -> None:
    folder = {"folder": "/data"}
    first = call(one, "delete", folder).result
    assert messages(first) == ["Who?"]
    second = call(two, "delete", folder, first, who=accept(name="Ada")).result
    assert messages(second) == ["Delete /data, Ada?"]
    assert call(one, "delete", folder, second, sure=accept(ok=True)).result["resultType"] == "task"
    assert call(one, "delete", folder, first, who=accept(name="Root")).result["resultType"] == "task"


def test_a_resolver_that_does_not_say_what_it_returns_may_ask(one: Endpoint) -> None:
    assert messages(call(one, "guess").result) == ["Which?"]


@pytest.mark.parametrize("answer", [{"action": "decline"}, {"action": "cancel"}, accept(nobody=1)])
def test_who_refuses_gets_the_tools_error_and_no_task(one: Endpoint, answer: JsonObject) -> None:
    before = len(one.tasks.items)
    result = call(one, "greet", after=call(one, "greet").result, who=answer).result
    assert result["isError"]
    assert result["content"][0]["text"].startswith("Error executing tool greet: Resolver ")
    assert len(one.tasks.items) == before


def test_a_question_without_an_answer_is_asked_again(one: Endpoint) -> None:
    assert messages(call(one, "greet", after=call(one, "greet").result).result) == ["Who?"]


def test_a_client_that_cannot_be_asked_is_told_so_before_anything_exists(one: Endpoint) -> None:
    before = len(one.tasks.items)
    answer = call(one, "greet", able=UNABLE)
    assert (answer.status, answer.error["code"]) == (400, -32021)
    assert "elicitation" in answer.error["data"]["requiredCapabilities"]
    assert len(one.tasks.items) == before


def test_a_resolver_that_fails_in_the_server_gets_its_chance_in_the_job(one: Endpoint) -> None:
    assert call(one, "breaks").result["resultType"] == "task"


def test_a_resolver_that_asks_nothing_runs_in_the_job_alone(one: Endpoint) -> None:
    assert call(one, "looks").result["resultType"] == "task"
    assert not looked


def test_the_older_version_gets_its_task_at_once(one: Endpoint) -> None:
    created = one.old("tools/call", {"name": "greet", "arguments": {}, "task": {}}).result["task"]
    assert one.tasks.items[created["taskId"]]["spec"]["request"]["protocolVersion"] == OLD


def test_answers_that_are_too_large_for_a_task_are_refused(one: Endpoint) -> None:
    error = call(one, "greet", after=call(one, "greet").result, who=accept(name="x" * 300_000)).error
    assert error["code"] == -32602
    assert "Answers are" in error["message"]


class TestState:
    """What clients carry from round to round is the server's own."""

    @pytest.mark.parametrize(
        ("tool", "arguments"), [("greet", {"folder": "/data"}), ("delete", {"folder": "/other"}), ("guess", {})]
    )
    def test_it_belongs_to_one_tool_and_its_arguments(self, one: Endpoint, tool: str, arguments: JsonObject) -> None:
        asked = call(one, "delete", {"folder": "/data"}).result
        error = call(one, tool, arguments, asked, who=accept(name="Ada")).error
        assert (error["code"], error["data"]) == (-32602, {"reason": "invalid_request_state"})

    @pytest.mark.parametrize("state", ["", "v1.", "v1.AAAA", "made up", None])
    def test_nobody_can_make_it_up(self, one: Endpoint, state: object) -> None:
        asked = {**call(one, "greet").result, "requestState": state}
        answer = call(one, "greet", after=asked, who=accept(name="Ada"))
        if state is None:
            assert messages(answer.result) == ["Who?"]
        else:
            assert answer.error["code"] == -32602

    def test_it_cannot_be_read(self, one: Endpoint) -> None:
        first = call(one, "delete", {"folder": "/data"}).result
        second = call(one, "delete", {"folder": "/data"}, first, who=accept(name="Ada")).result
        assert "Ada" not in second["requestState"]

    def test_without_keys_only_the_process_that_asked_goes_on(self) -> None:
        with serving(Settings(), make_server()) as asking, serving(Settings(), make_server()) as other:
            asked = call(asking, "greet").result
            assert call(other, "greet", after=asked, who=accept(name="Ada")).error["code"] == -32602
            assert call(asking, "greet", after=asked, who=accept(name="Ada")).result["resultType"] == "task"

    def test_the_same_keys_of_another_server_do_not_open_it(self, one: Endpoint) -> None:
        other_name = Settings(server_name="other", request_state_keys=SecretStr(KEY))
        with serving(other_name, make_server()) as other:
            error = call(other, "greet", after=call(one, "greet").result, who=accept(name="Ada")).error
        assert error["code"] == -32602

    def test_the_authors_own_way_to_seal_it_is_kept(self) -> None:
        def sealing() -> TaskServer[Any]:
            return make_server(request_state_security=RequestStateSecurity(keys=[KEY]))

        with serving(Settings(), sealing()) as asking, serving(Settings(), sealing()) as other:
            asked = call(asking, "greet").result
            assert call(other, "greet", after=asked, who=accept(name="Ada")).result["resultType"] == "task"

    @pytest.mark.parametrize("keys", ["", "short", f"{KEY},short", f"{KEY},{KEY}", f"{KEY},"])
    def test_keys_that_cannot_be_used_are_refused_without_being_told(self, keys: str) -> None:
        with pytest.raises(RequestStateKeyError, match="openssl rand") as refused:
            sealed_by(Settings(request_state_keys=SecretStr(keys)), "test")
        assert "short" not in str(refused.value)
        assert KEY not in str(refused.value)


def test_our_client_answers_and_gets_the_task(one: Endpoint) -> None:
    asked: list[str] = []

    def answer(question: Elicitation) -> JsonObject:
        asked.append(question.message)
        return {"name": "Ada"} if question.message == "Who?" else {"ok": True}

    async def delete() -> str:
        async with Client(one.url, on_elicitation=answer) as client:
            return (await client.call_tool("delete", {"folder": "/data"}, task=True)).task_id

    task_id = asyncio.run(delete())
    assert asked == ["Who?", "Delete /data, Ada?"]
    assert task_id in one.tasks.items
