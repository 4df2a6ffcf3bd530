"""Our client and our server, with a cluster behind it: questions, prompts and resources as tasks, in both versions."""

from __future__ import annotations

import hashlib
import json
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcptasks.cli.worker_option import workers_can_run
from mcptasks.client import (
    Client,
    ClientError,
    Elicitation,
    InputRequiredError,
    McpError,
    PromptTask,
    Reply,
    ResourceTask,
    SyncClient,
)
from mcptasks.dev.default_templates import job_template, named, warm_template
from mcptasks.dev.stack import LocalStack, StackConfig
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Phase
from mcptasks.protocol.versions import ProtocolChoice
from tests.support.kubectl import Kubectl

pytestmark = pytest.mark.anyio

SECONDS = 120
TOOLS = Path(__file__).with_name("tools.py")
OLD: ProtocolChoice = "2025-11-25"
NEW: ProtocolChoice = "2026-07-28"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server whose tools workers run; its prompts and resources have Pods of their own."""
    with LocalStack(StackConfig(str(TOOLS))) as stack:
        template = warm_template(str(TOOLS)) if workers_can_run() else job_template()
        Kubectl(stack.kubeconfig, stack.namespace).apply(named(template, "workers"))
        yield stack.endpoint


# --- questions ------------------------------------------------------------------------------------------------------


async def test_questions_are_answered_one_after_the_other(url: str, protocol: ProtocolChoice) -> None:
    asked: list[Elicitation] = []

    async def answer(question: Elicitation) -> JsonObject:
        asked.append(question)
        return {"size": len(asked)}

    async with Client(url, protocol=protocol, on_elicitation=answer) as client:
        task = await client.call_tool("order", {"what": "cake"}, task=True)
        assert (await task.result(timeout=SECONDS)).text == "1 and 2"
    assert [question.message for question in asked] == ["How large is the cake?", "And the next one?"]
    assert {question.task_id for question in asked} == {task.task_id}
    assert set(asked[0].schema["properties"]) == {"size", "sliced"}


async def test_a_question_can_be_declined_from_a_thread(url: str, protocol: ProtocolChoice) -> None:
    threads: list[threading.Thread] = []

    def answer(_question: Elicitation) -> Reply:
        threads.append(threading.current_thread())
        return Reply("decline")

    async with Client(url, protocol=protocol, on_elicitation=answer) as client:
        assert (await client.call_tool("order", {"what": "cake"})).text == "no cake: decline"
    assert threads
    assert threading.main_thread() not in threads


async def test_questions_that_come_at_once_are_all_answered(url: str, protocol: ProtocolChoice) -> None:
    async def answer(question: Elicitation) -> JsonObject:
        return {"answer": question.message.upper()}

    async with Client(url, protocol=protocol, on_elicitation=answer) as client:
        task = await client.call_tool("survey", task=True)
        assert not task.returned_immediately
        assert (await task.result(timeout=SECONDS)).text == "colour: COLOUR?, name: NAME?"


async def test_a_task_that_asks_is_seen_to_wait_and_answered_by_whoever_resumes_it(
    url: str, protocol: ProtocolChoice
) -> None:
    async with Client(url, protocol=protocol, on_elicitation=lambda _question: Reply("cancel")) as client:
        tools = {tool.name for tool in await client.list_tools()}
        assert "order" in tools
    async with Client(url, protocol=protocol, on_elicitation=lambda _question: {"size": 7}) as asker:
        task_id = (await asker.call_tool("order", {"what": "pie"}, task=True)).task_id
    async with Client(url, protocol=protocol, on_elicitation=lambda _question: {"size": 8}) as client:
        assert (await client.resume(task_id).result(timeout=SECONDS)).text == "8 and 8"


async def test_a_client_that_cannot_answer_says_so(url: str) -> None:
    """In the older version a client has to wait in `tasks/result` to be asked, which this one does not answer."""
    async with Client(url, protocol=NEW, on_elicitation=lambda _question: {"size": 1}) as client:
        task_id = (await client.call_tool("order", {"what": "tart"}, task=True)).task_id
    async with Client(url, protocol=NEW) as client:
        task = client.resume(task_id)
        with pytest.raises(InputRequiredError):
            await task.result(timeout=SECONDS)
        await task.cancel()


def test_a_script_answers_questions_too(url: str, protocol: ProtocolChoice) -> None:
    with SyncClient(url, protocol=protocol, on_elicitation=lambda _question: {"size": 3}) as client:
        assert client.call_tool("order", {"what": "cake"}).text == "3 and 3"


# --- large results ---------------------------------------------------------------------------------------------------


async def test_a_large_result_is_read_in_pieces_without_having_been_taken_whole(
    url: str, protocol: ProtocolChoice
) -> None:
    async with Client(url, protocol=protocol, max_result_bytes=1000) as client:
        task = await client.call_tool("novel", {"chapters": 10_000}, task=True)
        (link,) = (await task.result(timeout=SECONDS)).content
        pieces = [await client.result_piece(task.task_id, 0, 50_000)]
        while pieces[-1].next_offset is not None:
            pieces.append(await client.result_piece(task.task_id, pieces[-1].next_offset, 50_000))
    text = "".join(piece.text for piece in pieces)
    assert (link["type"], link["size"], len(pieces)) == ("resource_link", pieces[0].size, 4)
    assert hashlib.sha256(text.encode()).hexdigest() == pieces[0].sha256
    async with Client(url, protocol=protocol) as client:
        whole = await client.resume(task.task_id).result()
    assert json.loads(text)["content"] == whole.content
    assert whole.text.endswith("9999: é€\U0001d11e\n")


# --- prompts and resources ------------------------------------------------------------------------------------------


async def test_prompts_and_resources_are_tasks_in_the_older_version_only(url: str, protocol: ProtocolChoice) -> None:
    is_task = protocol == OLD
    place = "in a Pod" if is_task else "inline"
    async with Client(url, protocol=protocol) as client:
        prompt = await client.get_prompt("review", {"topic": "whales"}, task=True)
        page = await client.read_resource("own://whale/page", task=True)
        picture = await client.read_resource("own://picture", task=True)
        assert [task.returned_immediately for task in (prompt, page, picture)] == [not is_task] * 3
        assert (await prompt.result(timeout=SECONDS)).text == f"Review whales {place}"
        contents = (await page.result(timeout=SECONDS)).contents
        assert [(item["uri"], item["mimeType"], item["text"]) for item in contents] == [
            ("own://whale/page", "text/markdown", f"# whale {place}")
        ]
        assert (await picture.result(timeout=SECONDS)).data == b"\x89PNG"


async def test_without_task_they_are_rendered_inline(url: str, protocol: ProtocolChoice) -> None:
    async with Client(url, protocol=protocol) as client:
        assert (await client.get_prompt("review", {"topic": "whales"})).text == "Review whales inline"
        assert (await client.read_resource("own://whale/page")).text == "# whale inline"
        assert (await client.read_resource("own://inline", task=True)).returned_immediately


async def test_a_prompt_that_is_always_a_task_is_one_though_nobody_asked(url: str, protocol: ProtocolChoice) -> None:
    async with Client(url, protocol=protocol) as client:
        if protocol == OLD:
            assert (await client.get_prompt("thorough", {"topic": "whales"})).text == "Review all of whales"
        else:
            with pytest.raises(McpError, match="only as a task"):
                await client.get_prompt("thorough", {"topic": "whales"})


async def test_tasks_of_every_kind_are_resumed_from_another_client(url: str) -> None:
    async with Client(url, protocol=OLD) as client:
        prompt = await client.get_prompt("review", {"topic": "bees"}, task=True)
        page = await client.read_resource("own://bee/page", task=True, ttl=600_000)
        seen = [prompt.task_id, page.task_id]
    async with Client(url, protocol=OLD) as client:
        with pytest.raises(ClientError, match="resume it as PromptTask"):
            await client.resume(seen[0]).result(timeout=SECONDS)
        assert (await client.resume(seen[0], PromptTask).result(timeout=SECONDS)).text == "Review bees in a Pod"
        resumed = client.resume(seen[1], ResourceTask)
        assert (await resumed.result(timeout=SECONDS)).text == "# bee in a Pod"
        assert (await resumed.status()).ttl_ms == 600_000
        assert (await resumed.status()).status is Phase.COMPLETED


# --- calls that are repeated ----------------------------------------------------------------------------------------


async def test_a_call_that_is_repeated_with_its_key_is_the_same_task(url: str, protocol: ProtocolChoice) -> None:
    key = str(uuid.uuid4())
    async with Client(url, protocol=protocol) as client:
        first = await client.call_tool("who", task=True, idempotency_key=key)
    async with Client(url, protocol=protocol) as client:
        again = await client.call_tool("who", task=True, idempotency_key=key)
        other = await client.call_tool("who", task=True, idempotency_key=str(uuid.uuid4()))
        assert again.task_id == first.task_id != other.task_id
        assert (await again.result(timeout=SECONDS)).data == first.task_id
        assert (await client.call_tool("who", idempotency_key=key)).data == first.task_id


async def test_a_key_cannot_be_used_for_other_arguments(url: str, protocol: ProtocolChoice) -> None:
    key = str(uuid.uuid4())
    async with Client(url, protocol=protocol, on_elicitation=lambda _question: Reply("cancel")) as client:
        await client.call_tool("order", {"what": "cake"}, task=True, idempotency_key=key)
        with pytest.raises(McpError, match="used before with other arguments"):
            await client.call_tool("order", {"what": "pie"}, idempotency_key=key)
