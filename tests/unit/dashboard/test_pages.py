"""Pages as a browser gets them: what they show to whom, as text, from here alone."""

from __future__ import annotations

import asyncio
import base64
import html
import json
import re
import shlex
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any

import httpx2
import pytest
from starlette.datastructures import Headers

from mcptasks.dashboard.common_pages import own_path
from mcptasks.dashboard.page_guard import is_own_form
from mcptasks.dashboard.rights import Right
from mcptasks.dashboard.task_commands import commands_for
from mcptasks.kube.task_objects import parse_task
from mcptasks.model.base import JsonObject
from mcptasks.settings import Settings
from mcptasks.tasks.limits import RateLimit, SharedRate
from tests.unit.dashboard.page_site import HOST, PageSite, evil_site, task_item, with_result

READ = (Right.LIST_TASKS, Right.READ_TASK)


def on(site: PageSite, work: Callable[[httpx2.AsyncClient], Awaitable[None]], host: str = HOST) -> None:
    async def run() -> None:
        async with site.browser(host) as browser:
            await work(browser)

    asyncio.run(run())


def get(site: PageSite, path: str, **headers: str) -> httpx2.Response:
    found: list[httpx2.Response] = []

    async def work(browser: httpx2.AsyncClient) -> None:
        found.append(await browser.get(path, headers=headers))

    on(site, work)
    return found[0]


@pytest.mark.parametrize(
    "path", ["/tasks", "/tasks?q=%22%3E%3Cscript%3E", "/tasks/team/evil", "/tasks/team/%3Cscript%3E"]
)
def test_whatever_others_have_written_is_text(path: str) -> None:
    page = get(evil_site(), path)
    assert "<script>" not in page.text
    assert "<img src=x" not in page.text
    assert "onerror=alert(2)&gt;" in page.text or "%3C" in path


def test_nothing_in_a_page_comes_from_elsewhere_or_is_a_script_of_its_own() -> None:
    site = evil_site()
    for path in ("/tasks", "/tasks/team/evil", "/sign-in"):
        page = get(site, path)
        assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert "unsafe" not in page.headers["content-security-policy"]
        assert re.findall(r"(?:src|href|action|sse-connect|hx-get)=\"(?!/|#)[^\"]*\"", page.text) == []
        assert re.findall(r"<script(?! src=\"/static/)", page.text) == []
        assert " style=" not in page.text
        assert "<style" not in page.text


def test_every_file_that_a_page_names_is_there() -> None:
    site = PageSite()
    page = get(site, "/tasks")
    paths = set(re.findall(r"\"(/static/[^\"]+)\"", page.text))
    assert len(paths) == 5
    for path in paths:
        found = get(site, path)
        assert found.status_code == 200
        assert "immutable" in found.headers["cache-control"]


def test_a_viewer_sees_the_tasks_of_their_namespaces_alone() -> None:
    site = PageSite.asking_for_tokens()
    site.put(task_item("mine"), task_item("theirs", namespace="others"))
    site.allow("ann", "team", *READ)
    page = get(site, "/tasks", authorization="Bearer of-ann")
    assert "mine" in page.text
    assert "theirs" not in page.text
    assert get(site, "/tasks/team/mine", authorization="Bearer of-ann").status_code == 200
    refused = get(site, "/tasks/others/theirs", authorization="Bearer of-ann")
    assert refused.status_code == 403
    assert "get mcptasks" in refused.text


@pytest.mark.parametrize("part", ["", "/live", "/log.txt", "/result.json", "/arguments.json", "/content/0"])
def test_no_part_of_a_task_is_shown_without_the_right_to_read_it(part: str) -> None:
    site = PageSite.asking_for_tokens()
    site.put(with_result(task_item("theirs"), {"content": []}))
    site.allow("ann", "team", Right.LIST_TASKS, Right.READ_LOG)
    assert get(site, f"/tasks/team/theirs{part}", authorization="Bearer of-ann").status_code == 403


def test_the_log_takes_a_right_of_its_own() -> None:
    site = PageSite.asking_for_tokens()
    site.put(task_item("mine", logTail="secret of the log"))
    site.allow("ann", "team", *READ)
    assert "secret of the log" not in get(site, "/tasks/team/mine", authorization="Bearer of-ann").text
    assert get(site, "/tasks/team/mine/log.txt", authorization="Bearer of-ann").status_code == 403
    site.allow("bob", "team", *READ, Right.READ_LOG)
    assert "secret of the log" in get(site, "/tasks/team/mine", authorization="Bearer of-bob").text


def test_what_is_kept_of_a_log_is_shown_when_its_pod_is_gone_to_those_who_may_read_logs() -> None:
    site = PageSite.asking_for_tokens()
    log = {"text": "loading\nout of disk <here>\n", "attempt": 1}
    site.put(task_item("mine", phase="failed", attempts=1, podName="gone", log=log))
    site.allow("ann", "team", *READ, Right.READ_LOG)
    site.allow("ben", "team", *READ)
    for path in ("/tasks/team/mine", "/tasks/team/mine/log.txt"):
        shown = get(site, path, authorization="Bearer of-ann")
        assert "out of disk" in shown.text
        assert "out of disk" not in get(site, path, authorization="Bearer of-ben").text
    assert shown.text == "loading\nout of disk <here>\n"


def test_who_is_not_known_signs_in_and_comes_back() -> None:
    site = PageSite.asking_for_tokens()
    site.put(task_item("mine"))
    site.allow("ann", "team", *READ)

    async def work(browser: httpx2.AsyncClient) -> None:
        sent = await browser.get("/tasks?q=mine")
        assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?back=%2Ftasks%3Fq%3Dmine")
        form = await browser.get(sent.headers["location"])
        fields = dict(re.findall(r'name="(form_token|back)" value="([^"]*)"', form.text))
        wrong = await browser.post("/sign-in", data={**fields, "token": "bad"})
        assert wrong.status_code == 401
        assert "does not accept" in wrong.text
        done = await browser.post("/sign-in", data={**fields, "token": "of-ann\n"})
        assert (done.status_code, done.headers["location"]) == (303, "/tasks?q=mine")
        cookie = done.headers["set-cookie"]
        assert "of-ann" not in cookie
        assert {"HttpOnly", "SameSite=strict"} <= {part.strip() for part in cookie.split(";")}
        page = await browser.get("/tasks")
        assert page.status_code == 200
        token = re.findall(r'name="form_token" value="([^"]*)"', page.text)[0]
        assert (await browser.post("/sign-out", data={"form_token": token})).status_code == 303
        assert (await browser.get("/tasks")).status_code == 303

    on(site, work)


def test_a_filter_of_who_is_not_known_any_more_leads_to_the_sign_in() -> None:
    answer = get(PageSite.asking_for_tokens(), "/tasks?q=mine", accept="*/*", **{"hx-request": "true"})
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/sign-in?back=%2Ftasks%3Fq%3Dmine"


def test_programs_that_are_not_known_are_told_so() -> None:
    assert get(PageSite.asking_for_tokens(), "/tasks/live", accept="text/event-stream").status_code == 401


def test_a_form_that_was_not_given_to_this_browser_is_refused() -> None:
    async def work(browser: httpx2.AsyncClient) -> None:
        assert (await browser.post("/theme", data={"theme": "dark"})).status_code == 403
        assert (await browser.post("/theme", data={"theme": "dark", "form_token": "0" * 64})).status_code == 403

    on(PageSite(), work)


def test_a_form_of_another_site_is_refused_whatever_it_brings() -> None:
    async def work(browser: httpx2.AsyncClient) -> None:
        page = await browser.get("/tasks")
        token = re.findall(r'name="form_token" value="([^"]*)"', page.text)[0]
        fields = {"theme": "dark", "form_token": token, "back": "/tasks"}
        own = await browser.post("/theme", data=fields, headers={"origin": f"http://{HOST}"})
        assert own.status_code == 303
        for headers in ({"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
            assert (await browser.post("/theme", data=fields, headers=headers)).status_code == 403

    on(PageSite(), work)


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("https://tasks.example.com", "tasks.example.com", True),
        ("https://tasks.example.com", "Tasks.Example.com:443", True),
        ("http://tasks.example.com:80", "tasks.example.com", True),
        ("https://tasks.example.com:8443", "tasks.example.com:8443", True),
        ("http://[::1]:8090", "[::1]:8090", True),
        ("https://tasks.example.com:8443", "tasks.example.com", False),
        ("https://tasks.example.com", "tasks.example.com:80", False),
        ("https://evil.example", "tasks.example.com", False),
        ("https://tasks.example.com.evil.example", "tasks.example.com", False),
        ("null", "null", False),
        ("://", "", False),
    ],
)
def test_a_form_is_of_this_site_where_host_and_port_are_its_own(origin: str, host: str, own: bool) -> None:
    assert is_own_form(Headers({"origin": origin, "host": host})) is own


def test_a_name_that_was_rebound_to_this_address_is_refused() -> None:
    async def work(browser: httpx2.AsyncClient) -> None:
        assert (await browser.get("/tasks")).status_code == 421
        assert (await browser.get("/healthz")).status_code == 200

    on(PageSite(), work, host="evil.example")


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("/tasks?q=1", "/tasks?q=1"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nset-cookie: x", "/"),
        ("", "/"),
    ],
)
def test_nobody_is_sent_elsewhere(given: str, path: str) -> None:
    assert own_path(given) == path


def test_light_or_dark_is_remembered() -> None:
    async def work(browser: httpx2.AsyncClient) -> None:
        page = await browser.get("/tasks")
        assert "data-theme" not in page.text
        token = re.findall(r'name="form_token" value="([^"]*)"', page.text)[0]
        await browser.post("/theme", data={"theme": "dark", "form_token": token, "back": "/tasks"})
        assert 'data-theme="dark"' in (await browser.get("/tasks")).text

    on(PageSite(), work)


def test_files_of_a_result_are_never_pages() -> None:
    site = PageSite()
    data = base64.b64encode(b"<script>alert(1)</script>").decode()
    blocks = [{"type": "image", "mimeType": kind, "data": data} for kind in ("image/png", "image/svg+xml", "text/html")]
    site.put(with_result(task_item("x"), {"content": blocks}))
    assert get(site, "/tasks/team/x/content/0").headers["content-type"] == "image/png"
    for index in (1, 2):
        found = get(site, f"/tasks/team/x/content/{index}")
        assert found.headers["content-type"] == "application/octet-stream"
        assert found.headers["content-disposition"].startswith("attachment")
        assert "sandbox" in found.headers["content-security-policy"]
    assert get(site, "/tasks/team/x/content/9").status_code == 404


def test_what_is_not_there_is_said_in_words() -> None:
    site = PageSite()
    for path, words in (
        ("/tasks/team/none", "no such task"),
        ("/nowhere", "no such page"),
        ("/tasks/team/x/result.json", "no such task"),
    ):
        page = get(site, path)
        assert page.status_code == 404
        assert words in page.text


def test_a_change_is_sent_to_those_who_look() -> None:
    site = PageSite()
    site.put(task_item("x"))

    async def work(browser: httpx2.AsyncClient) -> None:
        services = site.services
        seen: list[str] = []
        changes = services.feeds.changes("k", render, services.index.watched, {})
        seen.append((await anext(changes))["tasks"])
        site.put(task_item("x", phase="completed", reason="Completed"))
        seen.append((await anext(changes))["tasks"])
        assert seen == ["working", "completed"]
        await changes.aclose()
        assert len(services.feeds) == 0

    async def render() -> dict[str, str]:
        row = site.services.index.row("team", "x")
        assert row is not None
        return {"tasks": row.phase.value}

    on(site, work)


def test_it_is_ready_once_it_knows_the_tasks() -> None:
    assert get(PageSite(), "/readyz").status_code == 200
    assert get(PageSite(), "/healthz").status_code == 200


def test_arguments_that_are_no_json_are_shown_as_they_are() -> None:
    site = PageSite()
    item = task_item("odd")
    item["spec"]["argumentsText"] = "{not json"
    site.put(item)
    page = get(site, "/tasks/team/odd")
    assert page.status_code == 200
    assert "{not json" in page.text


@pytest.mark.parametrize("text", ["@form-token@", "<form-token>"])
def test_no_text_of_a_task_becomes_the_viewers_form_token(text: str) -> None:
    site = PageSite()
    site.put(task_item("said", message=text, phase="failed", reason="ToolError"))
    assert html.escape(text) in get(site, "/tasks/team/said").text


@pytest.mark.parametrize("path", ["/tasks/", "/workers/"])
def test_a_slash_more_is_served_and_not_sent_elsewhere(path: str) -> None:
    page = get(PageSite(), path)
    assert page.status_code == 200
    assert "location" not in page.headers


def test_the_api_server_is_not_asked_about_namespaces_that_are_not_watched() -> None:
    site = PageSite.asking_for_tokens()
    site.services = replace(site.services, watched=("team",))
    assert get(site, "/tasks/thought-of/x", authorization="Bearer of-ann").status_code == 403
    assert site.reviews.asked == []


def test_the_api_server_is_asked_about_few_namespaces_that_have_no_tasks() -> None:
    site = PageSite.asking_for_tokens()
    site.put(task_item("x"))
    site.allow("ann", "team", *READ)
    twenty, many = (RateLimit(0.001, burst_seconds=1000 * count) for count in (20, 100))
    site.services = replace(site.services, empty_namespaces=SharedRate(twenty, many))
    statuses: Counter[int] = Counter()

    async def work(browser: httpx2.AsyncClient) -> None:
        for number in range(30):
            page = await browser.get(f"/tasks/thought-of-{number}/x", headers={"authorization": "Bearer of-ann"})
            statuses[page.status_code] += 1
        for token, path in (("of-ann", "/tasks/team/x"), ("of-bob", "/tasks/thought-of-1/x")):
            page = await browser.get(path, headers={"authorization": f"Bearer {token}"})
            statuses[page.status_code] += 1

    on(site, work)
    assert statuses == {403: 21, 429: 10, 200: 1}
    assert {asked.namespace for asked in site.reviews.asked} == {"team", *(f"thought-of-{n}" for n in range(20))}


def test_nobody_can_have_a_large_form_read_without_signing_in() -> None:
    async def work(browser: httpx2.AsyncClient) -> None:
        refused = await browser.post("/sign-in", data={"token": "x" * 40_000})
        assert refused.status_code == 413

    on(PageSite.asking_for_tokens(), work)


@pytest.mark.parametrize("path", ["/tasks/team/x/cancel", "/tasks/team/x/answer"])
def test_large_forms_wait_for_room_and_are_then_refused(path: str) -> None:
    site = PageSite()
    site.put(task_item("x"))

    async def work(browser: httpx2.AsyncClient) -> None:
        budget = site.services.form_bytes
        assert await budget.take("others", budget.total, 1)
        refused = await browser.post(path, data={"key": "k"})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        budget.give_back("others", budget.total)
        assert (await browser.post(path, data={"key": "k"})).status_code == 403
        assert budget.taken == 0

    on(site, work)


def test_times_say_that_they_are_in_utc() -> None:
    site = PageSite()
    site.put(task_item("x"))
    for path in ("/tasks", "/tasks/team/x"):
        page = get(site, path).text
        assert ">2026-11-30 12:00:00 UTC</time>" in page
        assert ">since 12:00:05 UTC</time>" in page


def test_a_cookie_is_for_https_alone_where_the_browser_came_by_it() -> None:
    for said, is_secure in (("https", True), ("https, http", True), ("http, https", False), ("", False)):
        cookie = get(PageSite(), "/tasks", **{"x-forwarded-proto": said}).headers["set-cookie"]
        assert ("; Secure" in cookie) is is_secure


def test_a_tool_can_be_called_with_other_arguments_by_those_who_may_call() -> None:
    site = PageSite.asking_for_tokens()
    site.services = replace(
        site.services, settings=Settings(dashboard_server_url="http://server/mcp"), server_namespace="team"
    )
    site.put(task_item("x"), task_item("x", namespace="others"))
    for namespace in ("team", "others"):
        site.allow("ann", namespace, *READ, Right.CALL)
        site.allow("ben", namespace, *READ)
    link = 'href="/tools/report?like=x"'
    assert link in get(site, "/tasks/team/x", authorization="Bearer of-ann").text
    assert link not in get(site, "/tasks/team/x", authorization="Bearer of-ben").text
    assert link not in get(site, "/tasks/others/x", authorization="Bearer of-ann").text


def test_the_form_above_the_list_keeps_what_the_address_says() -> None:
    site = PageSite()
    item = task_item("x")
    item["spec"]["principal"] = {"subject": "ann  of\u202esales"}
    site.put(item)
    page = get(site, "/tasks?tool=rare&caller=gone&namespace=left").text
    for chosen in ("rare", "gone", "left"):
        assert f'<option value="{chosen}" selected>' in page
    # A browser takes the text of an option without its double spaces for the value.
    assert '<option value="ann  of\u202esales">' in page


def asking(schema: JsonObject) -> JsonObject:
    params = json.dumps({"message": "Which?", "requestedSchema": schema})
    asked = {"key": "k1", "method": "elicitation/create", "message": "Which?", "paramsText": params}
    return task_item("x", phase="input_required", reason="InputRequired", inputRequests=[asked])


def test_several_choices_of_a_question_are_ticked_as_the_tool_proposes() -> None:
    site = PageSite()
    site.put(asking({"properties": {"t": {"type": "array", "items": {"enum": ["a", "b"]}, "default": ["b"]}}}))
    page = get(site, "/tasks/team/x").text
    assert 'value="b" checked>' in page
    assert 'value="a">' in page


def test_a_form_keeps_the_lines_of_a_text() -> None:
    site = PageSite()
    site.put(asking({"properties": {"t": {"type": "string", "default": "\na\nb"}}}))
    # HTML takes a line break at the beginning of a textarea away.
    assert re.search(r"<textarea [^>]*>\n\na\nb</textarea>", get(site, "/tasks/team/x").text)


def test_text_that_utf_8_has_no_bytes_for_breaks_no_page() -> None:
    site = PageSite()
    site.put(asking({"properties": {"t": {"enum": ["\ud800"], "default": "\ud800"}}}))
    assert get(site, "/tasks/team/x").status_code == 200
    half = "\ud800"
    blocks = [{"type": "resource", "resource": {"uri": "x://a", "text": half}}, {"type": "text", "text": half}]
    site.put(with_result(task_item("y"), {"content": blocks, "structuredContent": {half: [{half: half}]}}))
    assert get(site, "/tasks/team/y").status_code == 200
    assert get(site, "/tasks/team/y/content/0").content == b"?"


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ('{"a": "it\'s $(x)\x7f\u202e"}', ["kubectl", "mcptasks call", "Python"]),
        ('{"a": NaN}', ["kubectl", "mcptasks call"]),
        ('{"a": 1e999}', ["kubectl", "mcptasks call"]),
    ],
)
def test_a_command_to_paste_means_what_was_called(arguments: str, names: list[str]) -> None:
    item = task_item("x")
    item["spec"] = {key: value for key, value in item["spec"].items() if key != "arguments"}
    item["spec"]["argumentsText"] = arguments
    commands = {command.name: command.text for command in commands_for(parse_task(item), None)}
    assert list(commands) == names
    words = shlex.split(commands["mcptasks call"])
    assert words[:2] == ["mcptasks", "call"]
    assert repr(json.loads(words[-1])) == repr(json.loads(arguments))


FOCUSABLE = frozenset({"a", "button", "input", "select", "textarea", "summary"})


@dataclass
class FocusFinder(HTMLParser):
    """Finds what takes the focus and has no id, in the part of a page that has this one."""

    part: str
    nameless: list[str] = field(default_factory=list)
    _depth: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said: dict[str, Any] = dict(attrs)
        takes_focus = (tag in FOCUSABLE and said.get("type") != "hidden") or said.get("tabindex") == "0"
        if self._depth and takes_focus and "id" not in said:
            self.nameless.append(self.get_starttag_text() or tag)
        if tag == "div" and (self._depth or said.get("id") == self.part):
            self._depth += 1

    def handle_endtag(self, tag: str) -> None:
        if tag == "div" and self._depth:
            self._depth -= 1


@pytest.mark.parametrize(
    ("path", "part"),
    [("/tasks", "list"), ("/tasks/team/x", "head"), ("/tasks/team/x", "timeline"), ("/overview", "overview")],
)
def test_what_has_the_focus_in_a_part_that_is_replaced_gets_it_back(path: str, part: str) -> None:
    # htmx gives it to the element with the same id.
    site = PageSite()
    site.put(task_item("x", phase="input_required", reason="InputRequired", logTail="Killed"))
    finder = FocusFinder(part)
    finder.feed(get(site, path).text)
    assert finder.nameless == []
