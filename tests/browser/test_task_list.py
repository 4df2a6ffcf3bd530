"""The list of tasks in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from mcptasks.client import SyncClient
from mcptasks.dev.stack import LocalStack
from mcptasks.model.base import JsonObject
from tests.browser.conftest import BrowserUser, OpenUser
from tests.unit.dashboard.page_site import PageSite, task_item


def many(count: int = 120) -> list[JsonObject]:
    phases = ("completed", "failed", "working")
    items = [task_item(f"task-{number:03}", phase=phases[number % 3]) for number in range(count)]
    for number, item in enumerate(items):
        item["metadata"]["creationTimestamp"] = f"2026-11-30T12:{number // 60:02}:{number % 60:02}Z"
    return items


@pytest.fixture
def crowd(serve: Callable[[PageSite], str], user_of: OpenUser) -> BrowserUser:
    """A user of a dashboard that has many tasks."""
    site = PageSite()
    site.put(*many())
    return user_of(serve(site))


def test_a_task_appears_and_ends_without_a_reload(user: BrowserUser, stack: LocalStack) -> None:
    page = user.opens("/tasks")
    expect(page.locator("#live-note")).to_have_text("Live")
    page.evaluate("window.stays = true")
    with SyncClient(stack.endpoint) as client:
        called = client.call_tool("count", {"steps": 6000}, task=True)
        row = page.locator(f"#row-default-{called.task_id}")
        expect(row).to_contain_text("working")
        expect(row.locator("progress")).to_be_visible()
        called.cancel()
    expect(row).to_contain_text("cancelled")
    assert page.evaluate("window.stays") is True
    user.keeps(page)


def test_the_search_narrows_the_list_and_the_address(crowd: BrowserUser) -> None:
    page = crowd.opens("/tasks")
    page.fill("#q", "task-07")
    expect(page.locator("tbody tr")).to_have_count(10)
    expect(page).to_have_url(re.compile("q=task-07"))
    page.reload()
    expect(page.locator("#q")).to_have_value("task-07")
    expect(page.locator("tbody tr")).to_have_count(10)


def test_a_filter_keeps_the_focus_where_it_is(crowd: BrowserUser) -> None:
    page = crowd.opens("/tasks")
    page.focus("select[name=age]")
    page.select_option("select[name=age]", "7d")
    expect(page).to_have_url(re.compile("age=7d"))
    assert page.evaluate("document.activeElement.name") == "age"


def test_back_leads_to_the_list_before(crowd: BrowserUser) -> None:
    page = crowd.opens("/tasks")
    page.get_by_role("link", name=re.compile("failed")).click()
    expect(page.locator("tbody .badge.failed")).to_have_count(40)
    page.go_back()
    expect(page.locator("tbody tr")).to_have_count(50)


def test_counts_by_phase_lead_to_their_tasks(crowd: BrowserUser) -> None:
    page = crowd.opens("/tasks")
    chip = page.locator(".phases .completed")
    expect(chip).to_contain_text("40")
    chip.click()
    expect(chip).to_have_attribute("aria-current", "true")
    assert set(page.locator("tbody .c-phase .badge").all_inner_texts()) == {"completed"}


def test_columns_sort_and_say_so(crowd: BrowserUser) -> None:
    page = crowd.opens("/tasks")
    page.click("#sort-name")
    expect(page.locator("th.c-name[aria-sort=ascending]")).to_be_visible()
    expect(page.locator("tbody tr").first).to_contain_text("task-000")
    page.click("#sort-name")
    expect(page.locator("th.c-name[aria-sort=descending]")).to_be_visible()
    expect(page.locator("tbody tr").first).to_contain_text("task-119")


def test_a_long_list_has_pages(crowd: BrowserUser) -> None:
    page = crowd.opens("/tasks?sort=name")
    expect(page.locator(".paging")).to_contain_text("1–50 of 120")
    page.click("#page-after")
    expect(page.locator(".paging")).to_contain_text("51–100 of 120")
    expect(page.locator("tbody tr").first).to_contain_text("task-050")
    crowd.keeps(page)


def test_what_needs_a_look_stands_on_top(serve: Callable[[PageSite], str], user_of: OpenUser) -> None:
    site = PageSite()
    site.put(*many(6))
    site.put(task_item("stuck-import", reason="Pending", message="0/3 nodes are available", startedAt=None))
    site.put(task_item("asking-order", phase="input_required", reason="InputRequired"))
    user = user_of(serve(site))
    page = user.opens("/tasks")
    first, second = page.locator(".concerns li").all()[:2]
    expect(first).to_contain_text("waits for an answer")
    expect(second).to_contain_text("0/3 nodes are available")
    user.keeps(page)


def test_a_slash_goes_to_the_search(crowd: BrowserUser) -> None:
    page = crowd.opens("/tasks")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("a/b")
    expect(page.locator("#q")).to_have_value("a/b")


def test_the_keyboard_reaches_a_task(crowd: BrowserUser) -> None:
    page = crowd.opens("/tasks?q=task-119")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "task-team-task-119":
            break
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("task-119")


def test_no_task_at_all_says_what_to_do(serve: Callable[[PageSite], str], user_of: OpenUser) -> None:
    user = user_of(serve(PageSite()))
    page = user.opens("/tasks")
    expect(page.locator(".empty")).to_contain_text("mcptasks call")
    user.keeps(page)


@pytest.mark.parametrize("width", [360, 768, 1280, 1920])
def test_it_fits_every_width(crowd: BrowserUser, width: int) -> None:
    page = crowd.opens("/tasks", viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    expect(page.locator("tbody tr").first.locator("a")).to_be_visible()
    crowd.keeps(page)


def test_without_scripts_it_is_a_list_with_a_form(crowd: BrowserUser) -> None:
    page = crowd.opens("/tasks", java_script_enabled=False)
    page.fill("#q", "task-07")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("tbody tr")).to_have_count(10)
    page.click("#sort-name")
    expect(page.locator("tbody tr").first).to_contain_text("task-070")
    crowd.keeps(page)
