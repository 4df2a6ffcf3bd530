"""What holds for all pages: everybody can use them, in light and dark, and signs in where that is asked."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from mcptasks.dashboard.rights import Right
from tests.browser.conftest import BrowserUser, OpenUser
from tests.unit.dashboard.page_site import PageSite, task_item

PAGES = ["/tasks", "finished", "failed", "/tools", "/tools/reorder", "/overview", "/workers", "/nowhere"]


def hindrances(page: Page, axe: str) -> list[str]:
    """What keeps people out of the page, by axe: serious and critical."""
    page.evaluate(axe)
    found: list[dict[str, Any]] = page.evaluate("async () => (await axe.run()).violations")
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_nothing_keeps_anybody_out(
    user: BrowserUser, axe: str, request: pytest.FixtureRequest, path: str, scheme: str
) -> None:
    opened = path if path.startswith("/") else request.getfixturevalue(path)
    page = user.opens(opened, color_scheme=scheme, bypass_csp=True)
    expect(page.locator("h1")).to_be_visible()
    assert hindrances(page, axe) == []
    user.keeps(page)


@pytest.mark.parametrize("path", ["finished", "/tools/reorder", "/overview", "/workers"])
def test_pages_fit_a_telephone(user: BrowserUser, request: pytest.FixtureRequest, path: str) -> None:
    opened = path if path.startswith("/") else request.getfixturevalue(path)
    page = user.opens(opened, viewport={"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    user.keeps(page)


def test_dark_is_chosen_and_stays(user: BrowserUser) -> None:
    page = user.opens("/tasks", color_scheme="light")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Dark colours").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.goto(f"{user.base}/overview")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_colours_are_those_of_the_system(user: BrowserUser) -> None:
    colours = {
        scheme: user.opens("/tasks", color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    }
    assert colours["light"] != colours["dark"]


def test_one_signs_in_with_a_token_and_out(serve: Callable[[PageSite], str], user_of: OpenUser, axe: str) -> None:
    site = PageSite.asking_for_tokens()
    site.put(task_item("mine"), task_item("theirs", namespace="others"))
    site.allow("ann", "team", Right.LIST_TASKS, Right.READ_TASK)
    user = user_of(serve(site))
    page = user.opens("/tasks?q=mine", bypass_csp=True)
    expect(page.locator("h1")).to_have_text("Sign in")
    assert hindrances(page, axe) == []
    page.fill("#token", "wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("does not accept")
    user.keeps(page)
    page.fill("#token", "of-ann")
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/tasks\?q=mine$"))
    expect(page.locator("tbody")).to_contain_text("mine")
    page.goto(f"{user.base}/tasks/others/theirs")
    expect(page.locator("h1")).to_have_text("You may not see this")
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("h1")).to_have_text("Sign in")


def test_tools_have_forms_of_their_schemas(user: BrowserUser) -> None:
    page = user.opens("/tools")
    page.get_by_role("link", name="count", exact=True).click()
    expect(page.get_by_label("Steps")).to_have_value("20")
    page.get_by_label("Steps").fill("2")
    page.get_by_role("button", name="Call count").click()
    expect(page.locator("#head .badge")).to_have_text("completed")


def test_workers_show_what_they_run(user: BrowserUser) -> None:
    calling = user.opens("/tools/count")
    calling.get_by_label("Steps").fill("6000")
    calling.get_by_role("button", name="Call count").click()
    name = calling.locator("h1").inner_text()
    page = user.opens("/workers")
    expect(page.locator("tbody")).to_contain_text(name)
    user.keeps(page)
    calling.get_by_role("button", name="Cancel task").click()
    expect(page.locator("tbody")).not_to_contain_text(name)


def test_the_overview_counts_what_ends(user: BrowserUser, finished: str, failed: str) -> None:
    page = user.opens("/overview")
    expect(page.locator(".failures")).to_contain_text("ExitCode")
    assert page.locator(".bars rect").count() >= 1
    user.keeps(page)
