"""Search and test runs for coding agents, on a repository of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcptasks.client import CallProgress, Client
from tests.examples.conftest import ServedExample
from tests.examples.gallery import check_page
from tests.examples.repository import BREAKING_PATCH, FAILING_PATCH, make_bare

pytestmark = pytest.mark.anyio


def test_its_page_shows_what_is_printed(served: ServedExample, tmp_path: Path) -> None:
    check_page("coding_agents", served.url, tmp_path)


async def test_a_search_finds_lines_of_a_commit(served: ServedExample) -> None:
    async with Client(served.url) as client:
        assert (await client.call_tool("list_repositories")).data == ["shop"]
        everywhere = (await client.call_tool("search", {"repository": "shop", "pattern": "def (test_)?total"})).data
        arguments = {"repository": "shop", "pattern": "total", "paths": ["shop"], "revision": "main"}
        below = (await client.call_tool("search", arguments)).data
        nothing = (await client.call_tool("search", {"repository": "shop", "pattern": "nowhere"})).data
    assert everywhere["matches"] == [
        {"path": "shop/prices.py", "line": 1, "text": "def total(cents):"},
        {"path": "tests/test_prices.py", "line": 6, "text": "def test_total():"},
    ]
    assert [match["line"] for match in below["matches"]] == [1]
    assert (nothing["matches"], nothing["is_complete"]) == ([], True)


async def test_a_search_gives_whole_lines_and_no_more_than_a_model_reads(served: ServedExample) -> None:
    async with Client(served.url) as client:
        fed = (await client.call_tool("search", {"repository": "shop", "pattern": "form feed"})).data
        many = (await client.call_tool("search", {"repository": "shop", "pattern": "^many$"})).data
    assert [match["text"] for match in fed["matches"]] == ["a form feed\fis no end of a line"]
    assert (len(many["matches"]), many["is_complete"]) == (200, False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"repository": "else", "pattern": "a"}, "There is no repository else"),
        ({"repository": "..", "pattern": "a"}, "There is no repository .."),
        ({"repository": "shop", "pattern": "a", "revision": "gone"}, "shop has no commit gone"),
        ({"repository": "shop", "pattern": "("}, "Unmatched ("),
    ],
)
async def test_what_is_not_there_is_told_so(served: ServedExample, arguments: dict[str, str], said: str) -> None:
    async with Client(served.url) as client:
        result = await client.call_tool("search", arguments)
    assert result.is_error
    assert said in result.text


async def test_all_tests_of_a_commit_are_run(served: ServedExample) -> None:
    reports: list[CallProgress] = []
    async with Client(served.url) as client:
        task = await client.call_tool("run_tests", {"repository": "shop"}, task=True, on_progress=reports.append)
        report = (await task.result(timeout=120)).data
    assert (report["passed"], report["skipped"], report["failed"]) == (2, 1, 0)
    assert reports


async def test_a_patch_is_tried_and_changes_no_repository(served: ServedExample) -> None:
    async with Client(served.url) as client:
        patched = (await client.call_tool("run_tests", {"repository": "shop", "patch": BREAKING_PATCH})).data
        wrong = await client.call_tool("run_tests", {"repository": "shop", "patch": BREAKING_PATCH.replace("//", "/")})
        selection = ["tests/test_prices.py::test_discounted"]
        as_before = (await client.call_tool("run_tests", {"repository": "shop", "selection": selection})).data
    assert (patched["passed"], patched["failed"]) == (1, 1)
    assert [failure["test"] for failure in patched["reasons"]] == ["tests.test_prices::test_discounted"]
    assert "assert 985 == 850" in patched["reasons"][0]["reason"]
    assert "The patch does not fit: error: patch failed: shop/prices.py:6" in wrong.text
    assert (as_before["passed"], as_before["failed"]) == (1, 0)


async def test_of_many_failed_tests_only_the_first_come_with_their_reasons(served: ServedExample) -> None:
    async with Client(served.url) as client:
        arguments = {"repository": "shop", "patch": FAILING_PATCH, "selection": ["test_many.py"]}
        report = (await client.call_tool("run_tests", arguments)).data
    assert (report["passed"], report["failed"], len(report["reasons"])) == (1, 29, 20)
    assert report["further"][-1] == "test_many::test_it[29]"


@pytest.fixture
def bare(served: ServedExample) -> Iterator[str]:
    """The name of a repository without a working tree."""
    folder = served.repositories / "bare"
    make_bare(served.repositories / "shop", folder)
    yield folder.name
    shutil.rmtree(folder)


async def test_a_repository_without_a_working_tree_is_tested_too(served: ServedExample, bare: str) -> None:
    async with Client(served.url) as client:
        report = (await client.call_tool("run_tests", {"repository": bare})).data
    assert (report["passed"], report["failed"]) == (2, 0)


@pytest.mark.parametrize(
    ("selection", "said"),
    [("tests/gone.py", "pytest cannot run the tests"), ("--co", "--co is no test"), ("@list", "@list is no test")],
)
async def test_tests_that_are_not_there_are_an_error(served: ServedExample, selection: str, said: str) -> None:
    async with Client(served.url) as client:
        result = await client.call_tool("run_tests", {"repository": "shop", "selection": [selection]})
    assert result.is_error
    assert said in result.text
