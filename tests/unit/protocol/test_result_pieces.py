"""The result of a task in pieces: what is in them, whose they are and how they are bounded, in both versions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS

from mcptasks import TaskConfig, TaskServer
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import Ending
from mcptasks.model.task import Phase, Reason, ResultRecord
from mcptasks.protocol.task_result_resource import held_bytes, json_string
from mcptasks.protocol.versions import MAX_RESULT_META, RESULT_PIECE_META
from mcptasks.settings import KIB, Settings
from mcptasks.stores.text_pieces import ByteRange
from tests.support.mcp import McpAnswer
from tests.support.polling import eventually
from tests.unit.protocol.conftest import Endpoint, ask, serving
from tests.unit.protocol.test_callers import STRANGERS, UNKNOWN_ID, guarded_server, made_by

VERSIONS = ("old", "new")
MOST = 200 * KIB
RESULT: JsonObject = {"content": [{"type": "text", "text": 40_000 * 'é\U0001d11e"\n'}], "isError": False}
TEXT = json.dumps(RESULT, ensure_ascii=False, separators=(",", ":"))
DATA = TEXT.encode()
TEMPLATE = "task://{task_id}/result{?offset,length}"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with serving(Settings(max_result_piece_bytes=MOST), guarded_server()) as served:
        yield served


def read(endpoint: Endpoint, version: str, uri: str, token: str = "alice") -> McpAnswer:
    if version == "old":
        return ask(endpoint, version, token, "resources/read", {"uri": uri})
    return endpoint.new("resources/read", {"uri": uri}, mcp_name=uri, authorization=f"Bearer {token}")


def record_of(text: str) -> ResultRecord:
    data = text.encode()
    return ResultRecord(text=text, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def ended(endpoint: Endpoint, text: str = TEXT) -> str:
    """A task of Alice's with this result."""
    task_id = made_by(endpoint, "alice")
    endpoint.change(task_id, Ending(Phase.COMPLETED, Reason.COMPLETED, "done", result=record_of(text)))
    return task_id


@pytest.mark.parametrize("version", VERSIONS)
def test_all_pieces_together_are_the_result(endpoint: Endpoint, version: str) -> None:
    task_id = ended(endpoint)
    uri = f"task://{task_id}/result"
    pieces: list[str] = []
    while uri:
        (content,) = read(endpoint, version, uri).result["contents"]
        meta = content["_meta"][RESULT_PIECE_META]
        assert content["uri"] == uri
        assert content["mimeType"] == "application/json"
        assert meta["offset"] == sum(len(piece.encode()) for piece in pieces)
        assert meta["length"] == len(content["text"].encode()) <= MOST
        assert (meta["size"], meta["sha256"]) == (len(DATA), hashlib.sha256(DATA).hexdigest())
        pieces.append(content["text"])
        uri = f"task://{task_id}/result?offset={meta['nextOffset']}" if "nextOffset" in meta else ""
    assert len(pieces) > 1
    assert "".join(pieces) == TEXT


@pytest.mark.parametrize("version", VERSIONS)
def test_a_piece_may_be_as_short_as_is_asked_for(endpoint: Endpoint, version: str) -> None:
    task_id = ended(endpoint)
    (content,) = read(endpoint, version, f"task://{task_id}/result?length=5&offset=2").result["contents"]
    assert content["text"] == TEXT[2:7]
    assert content["_meta"][RESULT_PIECE_META]["nextOffset"] == 7


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("offset=x", "Invalid offset: use a number of bytes"),
        ("offset=-1", "Invalid offset: use a number of bytes"),
        ("length=0", "Invalid length 0"),
        ("length=", "Invalid length: use a number of bytes"),
        (f"offset={len(DATA)}", f"the result has {len(DATA)} bytes"),
        (f"offset={DATA.index('é'.encode()) + 1}", "take the nextOffset of the piece before"),
    ],
)
def test_a_range_that_cannot_be_is_the_caller_s_mistake(endpoint: Endpoint, version: str, query: str, why: str) -> None:
    error = read(endpoint, version, f"task://{ended(endpoint)}/result?{query}").error
    assert error["code"] == INVALID_PARAMS
    assert why in error["message"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("stranger", STRANGERS)
def test_to_all_others_it_is_as_unknown_as_a_task_that_never_was(
    endpoint: Endpoint, version: str, stranger: str
) -> None:
    uri = f"task://{ended(endpoint)}/result?offset=999999999"
    theirs = read(endpoint, version, uri, stranger)
    nobodys = read(endpoint, version, f"task://{UNKNOWN_ID}/result?offset=999999999", stranger)
    assert theirs.error == nobodys.error
    assert theirs.error["code"] == INVALID_PARAMS
    assert "Task not found" in theirs.error["message"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_result_that_is_not_there_has_a_reason(endpoint: Endpoint, version: str) -> None:
    task_id = made_by(endpoint, "alice")
    uri = f"task://{task_id}/result"
    early = read(endpoint, version, uri).error
    endpoint.fail(task_id, Reason.OOM_KILLED, "it ran out of memory")
    late = read(endpoint, version, uri).error
    assert early["code"] == late["code"] == INVALID_PARAMS
    assert "once the task has ended" in early["message"]
    assert "ended without one (it ran out of memory)" in late["message"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_result_that_the_store_has_lost_is_the_server_s_failure(endpoint: Endpoint, version: str) -> None:
    task_id = made_by(endpoint, "alice")
    uid = endpoint.tasks.items[task_id]["metadata"]["uid"]
    lost = ResultRecord(ref=f"mcptasks:result:default:{uid}:1", size_bytes=10, sha256="0" * 64)
    endpoint.change(task_id, Ending(Phase.COMPLETED, Reason.COMPLETED, "done", result=lost))
    error = read(endpoint, version, f"task://{task_id}/result").error
    assert (error["code"], error["message"]) == (
        INTERNAL_ERROR,
        "The task's result cannot be read at the moment. Try again.",
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_a_piece_counts_as_an_answer_until_it_has_been_sent(version: str) -> None:
    settings = Settings(max_result_piece_bytes=MOST, max_answers_bytes=300 * KIB)
    with serving(settings, guarded_server()) as endpoint:
        task_id, budget = ended(endpoint), endpoint.service.answer_budget
        read(endpoint, version, f"task://{task_id}/result")
        eventually("nothing is taken", lambda: budget.taken == 0)
        endpoint.loop.call_soon_threadsafe(budget._taken.update, {"somebody": 100 * KIB})
        eventually("it is taken", lambda: budget.taken)
        refused = read(endpoint, version, f"task://{task_id}/result").error
        assert refused["data"]["reason"] == "TooManyAnswers"
        assert read(endpoint, version, f"task://{ended(endpoint, '{}')}/result").result["contents"][0]["text"] == "{}"


@pytest.mark.parametrize(("ref", "expected"), [("mcptasks:result:ns:u:1", 2 * KIB), (None, 2 * KIB + len(DATA))])
def test_a_piece_counts_as_text_and_as_json(ref: str | None, expected: int) -> None:
    assert held_bytes(record_of(TEXT).model_copy(update={"ref": ref}), ByteRange(5, KIB)) == expected


def test_a_large_piece_is_the_same_json_as_a_small_one() -> None:
    assert json_string(TEXT) == json.dumps(TEXT, ensure_ascii=False)


def test_pieces_that_the_api_server_is_asked_for_are_bounded() -> None:
    with serving(Settings(max_fresh_reads_per_second=1), guarded_server()) as endpoint:
        large, small = (f"task://{ended(endpoint, text)}/result?length=9" for text in (TEXT, "{}"))
        answers = [read(endpoint, "new", large).message for _ in range(10)]
        assert read(endpoint, "new", small).result["contents"][0]["text"] == "{}"
    refused = [answer["error"]["data"]["reason"] for answer in answers if "error" in answer]
    assert set(refused) == {"TooManyPolls"}
    assert len(refused) < 10


def test_who_asks_again_and_again_is_told_to_wait() -> None:
    with serving(Settings(max_polls_per_second=1), guarded_server()) as endpoint:
        uri = f"task://{ended(endpoint, '{}')}/result"
        answers = [read(endpoint, "new", uri).message for _ in range(10)]
    refused = [answer["error"] for answer in answers if "error" in answer]
    assert refused
    assert {error["data"]["reason"] for error in refused} == {"TooManyPolls"}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_template_is_listed(endpoint: Endpoint, version: str) -> None:
    listed = ask(endpoint, version, "alice", "resources/templates/list", {}).result["resourceTemplates"]
    assert [each["uriTemplate"] for each in listed] == [TEMPLATE]


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_of_it_is_there_where_the_settings_take_it_away(version: str) -> None:
    with serving(Settings(max_result_piece_bytes=0), guarded_server()) as endpoint:
        task_id = ended(endpoint)
        assert ask(endpoint, version, "alice", "resources/templates/list", {}).result["resourceTemplates"] == []
        assert "Unknown resource" in read(endpoint, version, f"task://{task_id}/result").error["message"]
        assert result_of(endpoint, version, task_id, 1)["content"] == RESULT["content"]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_author_s_resource_of_the_same_address_comes_first(version: str) -> None:
    server: TaskServer[None] = guarded_server()

    @server.resource("task://{name}/result")
    def of_task(name: str) -> str:
        return f"the author's {name}"

    with serving(Settings(), server) as endpoint:
        (content,) = read(endpoint, version, "task://mine/result").result["contents"]
    assert content["text"] == "the author's mine"


def result_of(endpoint: Endpoint, version: str, task_id: str, most: object) -> JsonObject:
    answer = answer_with(endpoint, version, task_id, most).result
    return dict(answer if version == "old" else answer["result"])


def answer_with(endpoint: Endpoint, version: str, task_id: str, most: object) -> McpAnswer:
    """Ask for the result, of which the answer is to have so many bytes at most."""
    params: JsonObject = {"taskId": task_id, "_meta": {MAX_RESULT_META: most}}
    if version == "old":
        return ask(endpoint, version, "alice", "tasks/result", params)
    return endpoint.new("tasks/get", params, mcp_name=task_id, authorization="Bearer alice")


@pytest.mark.parametrize("version", VERSIONS)
def test_who_wants_no_more_in_one_answer_gets_a_link_instead(endpoint: Endpoint, version: str) -> None:
    task_id = ended(endpoint)
    linked = result_of(endpoint, version, task_id, len(DATA) - 1)
    (link,) = linked["content"]
    assert (link["type"], link["uri"], link["size"]) == ("resource_link", f"task://{task_id}/result", len(DATA))
    assert linked["isError"] is False
    assert linked["_meta"][RESULT_PIECE_META]["nextOffset"] == 0
    (content,) = read(endpoint, version, link["uri"]).result["contents"]
    assert TEXT.startswith(content["text"])


def test_a_link_has_what_its_protocol_version_has(endpoint: Endpoint) -> None:
    task_id = ended(endpoint)
    assert "resultType" not in result_of(endpoint, "old", task_id, 1)
    assert result_of(endpoint, "new", task_id, 1)["resultType"] == "complete"


@pytest.mark.parametrize(("version", "kind"), [("2025-03-26", "text"), ("2025-06-18", "resource_link")])
def test_a_version_without_links_has_the_result_itself(version: str, kind: str) -> None:
    server: TaskServer[None] = TaskServer("test", tasks=True)

    @server.tool(task=TaskConfig(without_tasks="wait"))
    def export() -> str:
        return "x"

    with serving(Settings(), server) as endpoint:
        params = {"name": "export", "arguments": {}, "_meta": {MAX_RESULT_META: 1}}
        with ThreadPoolExecutor() as pool:
            called = pool.submit(endpoint.post, "tools/call", params, {"mcp-protocol-version": version})
            (task_id,) = eventually("it is a task", lambda: list(endpoint.tasks.items))
            endpoint.change(task_id, Ending(Phase.COMPLETED, Reason.COMPLETED, "done", result=record_of(TEXT)))
            (content,) = called.result().result["content"]
    assert content["type"] == kind


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("most", [len(DATA), None])
def test_what_is_no_larger_comes_as_it_is(endpoint: Endpoint, version: str, most: int | None) -> None:
    assert result_of(endpoint, version, ended(endpoint), most)["content"] == RESULT["content"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("most", ["1", -1, True, 1.5])
def test_a_size_that_is_none_is_refused(endpoint: Endpoint, version: str, most: object) -> None:
    error = answer_with(endpoint, version, ended(endpoint, "{}"), most).error
    assert error["code"] == INVALID_PARAMS
    assert MAX_RESULT_META in error["message"]


def test_such_a_size_is_refused_before_the_tool_runs(endpoint: Endpoint) -> None:
    params = {"name": "add", "arguments": {"a": 1, "b": 2}, "_meta": {MAX_RESULT_META: "1"}}
    known = len(endpoint.tasks.items)
    old = ask(endpoint, "old", "alice", "tools/call", {**params, "task": {}})
    new = endpoint.new("tools/call", params, mcp_name="add", authorization="Bearer alice")
    assert old.error["code"] == new.error["code"] == INVALID_PARAMS
    assert len(endpoint.tasks.items) == known
