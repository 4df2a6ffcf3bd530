"""The page of a task in a browser: read, followed, answered, ended."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from mcptasks.client import SyncClient
from mcptasks.dev.stack import LocalStack
from mcptasks_embedded.objects.options import DeleteOptions
from tests.browser.conftest import BrowserUser, OpenUser
from tests.unit.dashboard.page_site import PageSite, evil_site


def call(user: BrowserUser, tool: str, **values: str) -> str:
    """Call a tool from its page; gives the path of its task."""
    page = user.opens(f"/tools/{tool}")
    for name, value in values.items():
        page.fill(f"[name='value.{name}']", value)
    page.get_by_role("button", name=f"Call {tool}").click()
    page.wait_for_url(re.compile("/tasks/default/"))
    return page.url.removeprefix(user.base)


def test_a_finished_task_shows_its_result(user: BrowserUser, finished: str) -> None:
    page = user.opens(finished)
    expect(page.get_by_role("table")).to_contain_text("A-5")
    expect(page.locator(".tree .string").first).to_have_text("Kiel")
    expect(page.locator("#log")).to_contain_text("opening Kiel <b>")
    user.keeps(page)


def test_a_failed_task_says_why_at_the_top(user: BrowserUser, failed: str) -> None:
    page = user.opens(failed)
    expect(page.locator("#head .message")).to_contain_text("exit code 3")
    expect(page.locator("#head .badge")).to_have_text("failed")
    expect(page.locator("#log")).to_contain_text("reading prices.csv")
    user.keeps(page)


def test_the_log_is_followed_until_the_task_ends(user: BrowserUser) -> None:
    page = user.opens(call(user, "count", steps="40"))
    expect(page.locator("#log")).to_contain_text("step 5")
    assert page.locator("#log").evaluate("log => log.scrollHeight - log.scrollTop - log.clientHeight < 40")
    expect(page.locator("#head .badge")).to_have_text("completed")
    expect(page.locator("#log")).to_contain_text("step 39")
    expect(page.locator("#announcer")).to_have_text("The task is completed")
    expect(page.locator(".plot .line")).to_be_visible()
    user.keeps(page)


def test_the_log_is_searched(user: BrowserUser, finished: str) -> None:
    page = user.opens(finished)
    expect(page.locator("#log li").first).to_be_visible()
    page.fill("#log-search", "opening")
    expect(page.locator("#log-found")).to_have_text("1 line")
    expect(page.locator("#log li:visible")).to_have_count(1)
    page.fill("#log-search", "")
    assert page.locator("#log li:visible").count() > 1


def test_trees_open_and_close(user: BrowserUser, finished: str) -> None:
    page = user.opens(finished)
    rows = page.locator("#result details").nth(1)
    rows.locator("summary").first.click()
    expect(rows.locator(".branch").first).not_to_be_visible()


def test_commands_are_copied(user: BrowserUser, finished: str) -> None:
    page = user.opens(finished, permissions=["clipboard-read", "clipboard-write"])
    page.locator(".copy summary", has_text="mcptasks call").click()
    page.get_by_role("button", name="Copy mcptasks call").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    text = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(r"""mcptasks call http://\S+/mcp stock --json '\{"warehouse": "Kiel", "articles": 6\}'""", text)


def test_files_are_downloaded(user: BrowserUser, finished: str) -> None:
    page = user.opens(finished)
    with page.expect_download() as download:
        page.locator("#result").get_by_role("link", name="Download").click()
    assert download.value.suggested_filename.endswith("-result.json")


def test_a_question_is_answered_after_a_wrong_try(user: BrowserUser) -> None:
    page = user.opens(call(user, "reorder", article="desks"))
    expect(page.locator(".question")).to_have_text("How many of desks?")
    user.keeps(page, "asking")
    form = page.locator("#questions form")
    # In one go: what is live may bring the form anew in between.
    form.evaluate("form => { form.noValidate = true; form.querySelector('button').click(); }")
    expect(page.locator(".problem")).to_have_text("Pieces is required")
    page.fill("#questions [name='value.pieces']", "7")
    page.get_by_label("Urgent").check()
    page.get_by_role("button", name="Answer").click()
    expect(page.locator("#result")).to_contain_text("7 of desks")
    user.keeps(page, "answered")


def test_what_somebody_types_survives_what_changes_on_the_page(user: BrowserUser) -> None:
    path = call(user, "reorder", article="lamps")
    page = user.opens(path)
    page.fill("#questions [name='value.pieces']", "12")
    page.evaluate("document.getElementById('timeline').replaceChildren()")
    # What goes on is sent again every ten seconds.
    expect(page.locator("#timeline svg")).to_be_visible()
    expect(page.locator("#questions [name='value.pieces']")).to_have_value("12")
    page.get_by_role("button", name="Decline").click()
    expect(page.locator("#result")).to_contain_text("nothing")


def test_a_task_is_cancelled_and_run_again(user: BrowserUser) -> None:
    page = user.opens(call(user, "count", steps="6000"))
    page.get_by_role("button", name="Cancel task").click()
    expect(page.locator("#head .badge")).to_have_text("cancelled")
    before = page.url
    page.get_by_role("button", name="Run again").click()
    page.wait_for_url(lambda url: url != before)
    page.get_by_role("button", name="Cancel task").click()
    expect(page.locator("#head .badge")).to_have_text("cancelled")


def test_without_scripts_a_question_is_answered(user: BrowserUser) -> None:
    path = call(user, "reorder", article="chairs")
    waiting = user.opens(path)
    expect(waiting.locator(".question")).to_be_visible()
    page = user.opens(path, java_script_enabled=False)
    page.fill("[name='value.pieces']", "3")
    page.get_by_role("button", name="Answer").click()
    expect(waiting.locator("#result")).to_contain_text("3 of chairs")


def test_two_who_look_see_the_same(user: BrowserUser) -> None:
    path = call(user, "count", steps="30")
    one, other = user.opens(path), user.opens(path)
    for page in (one, other):
        expect(page.locator("#head .badge")).to_have_text("completed")


@pytest.mark.parametrize("path", ["/tasks", "/tasks/team/evil"])
def test_what_others_have_written_does_nothing(serve: Callable[[PageSite], str], user_of: OpenUser, path: str) -> None:
    user = user_of(serve(evil_site()))
    page = user.opens(path)
    page.on("dialog", lambda dialog: user.complaints.append(dialog.message))
    page.wait_for_timeout(500)
    assert page.locator("img[src=x]").count() == 0
    user.keeps(page)


def test_a_task_that_goes_while_one_looks_is_said_to_be_gone(user: BrowserUser, stack: LocalStack) -> None:
    with SyncClient(stack.endpoint) as client:
        called = client.call_tool("stock", task=True)
        called.result()
    page = user.opens(f"/tasks/default/{called.task_id}")
    expect(page.locator("h1")).to_be_visible()
    objects = stack.cluster.cluster.objects
    kind = objects.kind("mcptasks.dev/v1alpha1", "McpTask")
    stack.cluster.call(lambda: objects.delete(kind, "default", called.task_id, DeleteOptions()))
    expect(page.locator("#head")).to_contain_text("This task is gone")
