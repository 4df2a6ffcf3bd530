"""Cancelling, running again, answering and calling: with the rights that kubectl would need, and of what was shown."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from mcptasks.dashboard.rights import Right
from mcptasks.dashboard.task_changes import UnfitAnswerError, answer_of, question_view, repeated
from mcptasks.model.base import JsonObject
from mcptasks.model.task import InputRequest
from tests.unit.dashboard.page_site import PageSite, task_item

READ = (Right.LIST_TASKS, Right.READ_TASK)
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]}


def asking_task() -> JsonObject:
    params = json.dumps({"message": "How many?", "requestedSchema": SCHEMA})
    asked = {"key": "k1", "method": "elicitation/create", "message": "How many?", "paramsText": params}
    item = task_item("x", phase="input_required", reason="InputRequired", inputRequests=[asked])
    item["spec"]["inputTimeoutSeconds"] = 600
    return item


def site_of(item: JsonObject, *rights: Right) -> PageSite:
    site = PageSite.asking_for_tokens()
    site.put(item)
    site.allow("ann", "team", *READ, *rights)
    return site


def posted(site: PageSite, button: str, **fields: str) -> httpx2.Response:
    """What a form of the task's page is answered with."""
    found: list[httpx2.Response] = []

    async def work() -> None:
        async with site.browser(authorization="Bearer of-ann") as browser:
            page = await browser.get("/tasks/team/x")
            token = re.findall(r'name="form_token" value="([^"]*)"', page.text)[0]
            found.append(await browser.post(f"/tasks/team/x/{button}", data={"form_token": token, **fields}))

    asyncio.run(work())
    return found[0]


def shown(site: PageSite) -> str:
    found: list[str] = []

    async def work() -> None:
        async with site.browser(authorization="Bearer of-ann") as browser:
            found.append((await browser.get("/tasks/team/x")).text)

    asyncio.run(work())
    return found[0]


NEEDED = [("cancel", Right.CANCEL), ("again", Right.CALL), ("answer", Right.ANSWER)]


@pytest.mark.parametrize(("action", "right"), NEEDED)
def test_without_the_right_there_is_no_button_and_no_way_around_it(action: str, right: Right) -> None:
    every_other = [other for other in Right if other is not right]
    site = site_of(asking_task(), *every_other)
    assert f'action="/tasks/team/x/{action}"' not in shown(site)
    refused = posted(site, action, uid="uid-x", key="k1", action="accept")
    assert refused.status_code == 403
    assert right.as_kubectl in refused.text
    assert site.cluster.written == []


@pytest.mark.parametrize(("action", "right"), NEEDED)
def test_with_the_right_there_is_a_button(action: str, right: Right) -> None:
    assert f'action="/tasks/team/x/{action}"' in shown(site_of(asking_task(), right))


def test_a_cancel_is_of_the_task_that_was_shown() -> None:
    site = site_of(asking_task(), Right.CANCEL)
    assert posted(site, "cancel", uid="uid-x").status_code == 303
    assert site.cluster.written == [("patch", "x", {"metadata": {"uid": "uid-x"}, "spec": {"cancel": True}})]


def test_running_again_makes_the_same_task_without_saying_who_called() -> None:
    item = asking_task()
    item["spec"] |= {
        "principal": {"subject": "bob"},
        "idempotencyKey": "k",
        "cancel": True,
        "traceContext": {},
        "retries": 2,
        "maxConcurrent": 1,
    }
    item["spec"]["request"] = {"protocolVersion": "v", "headers": {"a": "b"}, "meta": {"progressToken": 1}}
    made = repeated(item, "y")
    assert made["spec"] == {
        "server": "default",
        "component": {"kind": "tool", "name": "report"},
        "arguments": {"top": 3},
        "inputTimeoutSeconds": 600,
        "retries": 2,
        "maxConcurrent": 1,
        "request": {"protocolVersion": "v"},
    }
    assert made["metadata"]["name"] == "y"
    answer = posted(site_of(item, Right.CALL), "again")
    assert re.fullmatch(r"/tasks/team/report-[a-z2-7]{26}", answer.headers["location"])


def test_an_answer_is_written_down() -> None:
    site = site_of(asking_task(), Right.ANSWER)
    assert posted(site, "answer", key="k1", action="accept", **{"value.n": "7"}).status_code == 303
    ((_, _, patch),) = site.cluster.written
    (request,) = patch["status"]["inputRequests"]
    assert json.loads(request["responseText"]) == {"action": "accept", "content": {"n": 7}}


@pytest.mark.parametrize(
    ("text", "problem"), [("2", "must be at least 3"), ("x", "no whole number"), ("", "is required")]
)
def test_an_answer_that_does_not_fit_is_shown_again_with_what_is_wrong(text: str, problem: str) -> None:
    site = site_of(asking_task(), Right.ANSWER)
    page = posted(site, "answer", key="k1", action="accept", **{"value.n": text})
    assert page.status_code == 422
    assert problem in page.text
    assert site.cluster.written == []


def test_a_page_that_shows_an_answer_again_leads_back_to_the_task() -> None:
    page = posted(site_of(asking_task(), Right.ANSWER), "answer", key="k1", action="accept", **{"value.n": "x"})
    assert 'name="back" value="/tasks/team/x"' in page.text


def test_a_question_that_is_not_open_any_more_is_said() -> None:
    page = posted(site_of(asking_task(), Right.ANSWER), "answer", key="k9", action="accept")
    assert page.status_code == 409
    assert "not open any more" in page.text


def question(method: str = "elicitation/create", **params: Any) -> InputRequest:
    return InputRequest(key="k", method=method, params_text=json.dumps(params))


def test_a_question_can_be_declined() -> None:
    assert answer_of(question_view(question(message="?")), "decline", {}).text == '{"action": "decline"}'


def test_a_question_that_sends_one_to_a_page_shows_where() -> None:
    view = question_view(question(mode="url", url="https://pay.example", message="Pay"))
    assert view.url == "https://pay.example"
    assert answer_of(view, "accept", {}).text == '{"action": "accept"}'


def test_what_is_no_elicitation_is_answered_with_json() -> None:
    view = question_view(question("sampling/createMessage", messages=[]))
    assert answer_of(view, "accept", {"value.answer": ['{"role": "assistant"}']}).text == '{"role": "assistant"}'
    with pytest.raises(UnfitAnswerError):
        answer_of(view, "accept", {"value.answer": ["{"]})


def test_an_odd_question_breaks_nothing() -> None:
    for text in ("[]", "{", '{"requestedSchema": 1}', '{"message": 3}'):
        assert question_view(InputRequest(key="k", method="elicitation/create", params_text=text)).fields == []
    schema = {"properties": {"x": {"type": "string", "maxLength": "600"}}, "required": [{}]}
    text = json.dumps({"requestedSchema": schema})
    (field,) = question_view(InputRequest(key="k", method="elicitation/create", params_text=text)).fields
    assert (field.kind, field.required) == ("text", False)


def calls(site: PageSite, work: Callable[[httpx2.AsyncClient], Awaitable[None]]) -> None:
    async def run() -> None:
        async with site.browser(authorization="Bearer of-ann") as browser:
            await work(browser)

    asyncio.run(run())


def test_tools_take_the_rights_of_the_servers_namespace() -> None:
    site = PageSite.asking_for_tokens()
    site.allow("ann", "default", *READ)

    async def work(browser: httpx2.AsyncClient) -> None:
        unnamed = await browser.get("/tools")
        assert unnamed.status_code == 404
        assert "MCPTASKS_DASHBOARD_SERVER_URL" in unnamed.text
        token = re.findall(r'name="form_token" value="([^"]*)"', unnamed.text)[0]
        refused = await browser.post("/tools/report", data={"form_token": token})
        assert refused.status_code == 403
        assert "create mcptasks" in refused.text

    calls(site, work)
    calls(PageSite.asking_for_tokens(), work_of_a_stranger)


async def work_of_a_stranger(browser: httpx2.AsyncClient) -> None:
    assert (await browser.get("/tools")).status_code == 403
