"""The log of a task as a resource: whose it is, and when it is there, in both protocol versions."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from mcptasks.model.log_records import log_field, log_record
from mcptasks.model.task import LogRecord, Reason, ResultRecord
from mcptasks.settings import KIB, Settings
from tests.support.mcp import McpAnswer
from tests.support.polling import eventually
from tests.unit.protocol.conftest import Endpoint, ask, serving
from tests.unit.protocol.test_callers import STRANGERS, UNKNOWN_ID, guarded_server, made_by

VERSIONS = ("old", "new")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    settings = Settings(task_log_resource=True, max_result_piece_bytes=0, max_polls_per_second=1000)
    with serving(settings, guarded_server()) as served:
        yield served


def read(endpoint: Endpoint, version: str, task_id: str, token: str = "alice") -> McpAnswer:
    uri = f"task://{task_id}/log"
    if version == "old":
        return ask(endpoint, version, token, "resources/read", {"uri": uri})
    return endpoint.new("resources/read", {"uri": uri}, mcp_name=uri, authorization=f"Bearer {token}")


def printed(endpoint: Endpoint, task_id: str, log: LogRecord | None) -> None:
    assert log is not None
    endpoint.change(task_id, lambda _: {"status": log_field(log)})


def ended(endpoint: Endpoint, text: str) -> str:
    """A task of Alice's that has printed this and failed."""
    task_id = made_by(endpoint, "alice")
    printed(endpoint, task_id, log_record(text, 1))
    endpoint.fail(task_id, Reason.OOM_KILLED, "it ran out of memory")
    return task_id


@pytest.mark.parametrize("version", VERSIONS)
def test_who_made_a_task_reads_what_it_has_printed(endpoint: Endpoint, version: str) -> None:
    task_id = ended(endpoint, "one\n\x1b[1mtwo\n")
    (content,) = read(endpoint, version, task_id).result["contents"]
    assert (content["uri"], content["mimeType"]) == (f"task://{task_id}/log", "text/plain")
    assert content["text"] == "one\n\x1b[1mtwo\n"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("stranger", STRANGERS)
def test_to_all_others_it_is_as_unknown_as_a_task_that_never_was(
    endpoint: Endpoint, version: str, stranger: str
) -> None:
    task_id = ended(endpoint, "secret\n")
    theirs, nobodys = read(endpoint, version, task_id, stranger), read(endpoint, version, UNKNOWN_ID, stranger)
    assert theirs.error == nobodys.error
    assert "Task not found" in theirs.error["message"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_log_that_is_not_there_has_a_reason(endpoint: Endpoint, version: str) -> None:
    task_id = made_by(endpoint, "alice")
    assert "once the task has ended" in read(endpoint, version, task_id).error["message"]
    endpoint.complete(task_id)
    assert "printed nothing" in read(endpoint, version, task_id).error["message"]


@pytest.mark.parametrize("version", VERSIONS)
def test_where_earlier_lines_are_missing_the_text_says_so(endpoint: Endpoint, version: str) -> None:
    noise = random.Random(3)
    task_id = ended(endpoint, "".join(f"{noise.getrandbits(800):x}\n" for _ in range(1000)))
    (content,) = read(endpoint, version, task_id).result["contents"]
    assert content["text"].startswith("… earlier lines are missing …\n")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_template_is_listed(endpoint: Endpoint, version: str) -> None:
    listed = ask(endpoint, version, "alice", "resources/templates/list", {}).result["resourceTemplates"]
    assert [each["uriTemplate"] for each in listed] == ["task://{task_id}/log"]


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_of_it_is_there_unless_the_settings_say_so(version: str) -> None:
    with serving(Settings(max_result_piece_bytes=0), guarded_server()) as endpoint:
        task_id = ended(endpoint, "secret\n")
        assert ask(endpoint, version, "alice", "resources/templates/list", {}).result["resourceTemplates"] == []
        assert "Unknown resource" in read(endpoint, version, task_id).error["message"]


def test_who_asks_again_and_again_is_told_to_wait() -> None:
    with serving(Settings(task_log_resource=True, max_polls_per_second=1), guarded_server()) as endpoint:
        task_id = ended(endpoint, "one\n")
        answers = [read(endpoint, "new", task_id).message for _ in range(30)]
    refused = [answer["error"] for answer in answers if "error" in answer]
    assert refused
    assert {error["data"]["reason"] for error in refused} == {"TooManyPolls"}


def test_a_long_log_takes_room_of_large_results_while_it_is_read() -> None:
    settings = Settings(task_log_resource=True, max_answers_bytes=100 * KIB)
    with serving(settings, guarded_server()) as endpoint:
        task_id, budget = ended(endpoint, "one\n"), endpoint.service.answer_budget
        stored = ResultRecord(ref="none", size_bytes=60 * KIB, sha256="0")
        printed(endpoint, task_id, LogRecord(text="two\n", attempt=1, cut=True, stored=stored))
        endpoint.loop.call_soon_threadsafe(budget._taken.update, {"somebody": 50 * KIB})
        eventually("it is taken", lambda: budget.taken)
        refused = read(endpoint, "new", task_id).message["error"]
        assert refused["data"]["reason"] == "TooManyAnswers"
        endpoint.loop.call_soon_threadsafe(budget.give_back, "somebody", 50 * KIB)
        eventually("there is room", lambda: not budget.taken)
        (content,) = read(endpoint, "new", task_id).result["contents"]
        assert content["text"].endswith("two\n")
        assert budget.taken == 0
