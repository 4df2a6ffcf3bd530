"""The page for MCP Apps, in a page that plays the host."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from mcptasks.model.base import JsonObject
from mcptasks.protocol.task_app import task_app
from tests.browser.conftest import PICTURES

HOST = (Path(__file__).with_name("app_host.html")).read_text()
TASK = "report-k3v9d2"


def state(status: str = "working", **more: object) -> JsonObject:
    """What `task_status` says of the task."""
    found = {"taskId": TASK, "status": status, "tool": "report", "createdAt": "2026-11-30T12:00:00.000Z", **more}
    return {"content": [{"type": "text", "text": f"Task {TASK} is {status}."}], "structuredContent": found}


@dataclass
class AppHost:
    """A client with Apps that has called a tool, whose answer was `first`."""

    page: Page
    states: list[JsonObject]
    first: JsonObject
    result: JsonObject = field(default_factory=dict)
    called: list[JsonObject] = field(default_factory=list)

    @property
    def app(self) -> FrameLocator:
        return self.page.frame_locator("iframe")

    @property
    def names(self) -> list[str]:
        """The tools that the page has called so far."""
        return [str(call["name"]) for call in self.called]

    def answer(self, call: JsonObject) -> JsonObject:
        self.called.append(call)
        match call["name"]:
            case "task_status":
                return self.states.pop(0) if len(self.states) > 1 else self.states[0]
            case "task_cancel":
                return state("cancelled", statusMessage="cancelled by its caller")
            case _:
                return self.result

    def show(self, theme: str = "light") -> None:
        self.page.expose_function("answer", self.answer)
        self.page.set_content(HOST)
        self.page.evaluate("begin", [task_app().text, self.first, {"theme": theme}])

    def keeps(self, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"task-app-{name}.png")


MakeHost = Callable[..., AppHost]


@pytest.fixture
def host(browser: Browser) -> Iterator[MakeHost]:
    context = browser.new_context(viewport={"width": 620, "height": 420})
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)

    def made(*states: JsonObject, first: JsonObject | None = None, result: JsonObject | None = None) -> AppHost:
        return AppHost(page, list(states), first or state(), result or {})

    yield made
    context.close()
    assert faults == []


def test_it_shows_how_far_a_task_is_and_what_it_has_said(host: MakeHost) -> None:
    shown = host(
        state(progress=3, total=12, statusMessage="reading orders"),
        state(progress=6, total=12, statusMessage="joining customers"),
    )
    shown.show()
    expect(shown.app.locator("#message")).to_have_text("joining customers")
    expect(shown.app.locator("h1")).to_have_text("report")
    expect(shown.app.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "50")
    expect(shown.app.locator("#share")).to_have_text("50 % (6 of 12)")
    expect(shown.app.locator("#log")).to_have_text("reading orders")
    shown.keeps("working")


def test_its_end_brings_the_result_and_tells_the_conversation(host: MakeHost) -> None:
    result = {"content": [{"type": "text", "text": "1,204 rows"}]}
    shown = host(state("completed", statusMessage="The task completed"), result=result)
    shown.show("dark")
    expect(shown.app.locator("#result")).to_have_text("1,204 rows")
    expect(shown.app.get_by_role("button", name="Cancel")).to_be_hidden()
    told = shown.page.wait_for_function("told.find(each => each.method === 'ui/update-model-context')").json_value()
    assert "1,204 rows" in json.dumps(told)
    assert shown.names == ["task_status", "task_result"]
    shown.keeps("completed")


def test_a_failure_says_why_and_shows_the_log_where_callers_may_see_it(host: MakeHost) -> None:
    shown = host(state("failed", statusMessage="exit code 3\nLast log lines:\nFATAL: no database"))
    shown.show()
    expect(shown.app.locator("#message")).to_have_text("exit code 3")
    expect(shown.app.locator("#log")).to_have_text("FATAL: no database")
    expect(shown.app.locator("#result")).to_be_hidden()


def test_a_task_is_cancelled_on_the_second_press(host: MakeHost) -> None:
    shown = host(state(statusMessage="warming up"))
    shown.show()
    expect(shown.app.locator("#message")).to_have_text("warming up")
    button = shown.app.locator("#cancel")
    button.click()
    expect(button).to_have_text("Cancel it?")
    assert "task_cancel" not in shown.names
    button.click()
    expect(shown.app.locator("#state")).to_have_text("cancelled")
    assert {"name": "task_cancel", "arguments": {"task_id": TASK}} in shown.called


def test_an_answer_that_was_there_at_once_is_shown(host: MakeHost) -> None:
    shown = host(state(), first={"content": [{"type": "text", "text": "42"}], "structuredContent": {"result": 42}})
    shown.show()
    expect(shown.app.locator("#result")).to_have_text("42")
    assert shown.names == []


def test_a_task_that_is_gone_is_said_to_be_so(host: MakeHost) -> None:
    shown = host({"content": [{"type": "text", "text": "Task not found"}], "isError": True})
    shown.show()
    expect(shown.app.locator("#state")).to_have_text("not found")
    expect(shown.app.locator("#message")).to_have_text("Task not found")


def test_what_a_task_says_is_text(host: MakeHost) -> None:
    shown = host(
        state("completed", statusMessage="<b>bold</b>"), result={"content": [{"type": "text", "text": "<i>x"}]}
    )
    shown.show()
    expect(shown.app.locator("#result")).to_have_text("<i>x")
    expect(shown.app.locator("#message")).to_have_text("<b>bold</b>")


def test_it_fits_a_narrow_conversation_and_says_how_high_it_is(host: MakeHost) -> None:
    shown = host(state(statusMessage="word" * 60))
    shown.page.set_viewport_size({"width": 320, "height": 500})
    shown.show("dark")
    expect(shown.app.locator("#message")).to_have_text(re.compile("word"))
    wide = shown.app.locator("body").evaluate("body => body.scrollWidth > document.documentElement.clientWidth")
    assert not wide
    assert shown.page.wait_for_function("told.find(each => each.method === 'ui/notifications/size-changed')")
    shown.keeps("narrow")
