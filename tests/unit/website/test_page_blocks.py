"""Every block of code in the documentation is run by a test, or is listed with what was done instead."""

from __future__ import annotations

import ast
import json

import pytest

from tests.examples.gallery import shown
from tests.unit.repository.test_docs import PAGES, runs_here
from tests.unit.website.page_blocks import (
    PageBlock,
    faults_of_command,
    faults_of_yaml,
    lines,
    page_blocks,
    untested,
)

RUN = {
    ("README.md", "make demo"): "integration/cli/test_demo.py, and the mcptasks call in integration/examples",
    ("README.md", "# server.py"): "integration/test_readme.py",
    ("docs/tutorial.md", "make demo"): "integration/cli/test_demo.py",
    ("docs/tutorial.md", "# server.py"): "integration/test_readme.py",
    (
        "docs/tutorial.md",
        "mcptasks call http://127.0.0.1:8000/mcp report --arg year=2026",
    ): "integration/test_readme.py",
    ("docs/tutorial.md", "apiVersion: mcptasks.dev/v1alpha1"): "integration/test_readme.py",
}
"""Blocks that tests run as they are, by page and first line; Python of the pages in test_docs.py is run there."""

BLOCKS = page_blocks()


def is_run(block: PageBlock) -> bool:
    in_test_docs = block.language == "python" and block.page.removeprefix("docs/") in PAGES
    by_name = (block.page, block.first_line) in RUN
    return (in_test_docs and runs_here(block.text)) or by_name or is_run_with_its_example(block)


def is_run_with_its_example(block: PageBlock) -> bool:
    """Calls on the pages of examples, and what they print."""
    name = block.page.removeprefix("examples/").removesuffix("/README.md")
    calls = shown(name) if block.page == f"examples/{name}/README.md" else ()
    return any(block.text in (f"{command}\n", printed) for command, _, printed in calls)


def is_checked(block: PageBlock) -> bool:
    """Values of the chart and our own objects are held against their schemas."""
    return block.language == "yaml" and faults_of_yaml(block.text) is not None


def test_every_block_is_run_or_checked_or_listed() -> None:
    left = {(block.page, block.first_line) for block in BLOCKS if not is_run(block) and not is_checked(block)}
    listed = {(entry["page"], entry["block"]) for entry in untested()}
    assert sorted(left - listed) == [], "run it in a test, or add it to untested_blocks.toml"
    assert sorted(listed - left) == [], "take it off the list"


def test_what_is_listed_says_what_was_done_instead() -> None:
    assert [entry for entry in untested() if len(entry["instead"]) < 10] == []


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "sh"], ids=lambda block: block[0])
def test_commands_have_the_options_targets_and_values_that_pages_name(block: PageBlock) -> None:
    assert [fault for line in lines(block.text) for fault in faults_of_command(line)] == []


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "yaml"], ids=lambda block: block[0])
def test_values_and_objects_fit_their_schemas(block: PageBlock) -> None:
    assert not faults_of_yaml(block.text)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "json"], ids=lambda block: block[0])
def test_json_is_json(block: PageBlock) -> None:
    assert json.loads(block.text)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "python"], ids=lambda block: block[0])
def test_python_is_python(block: PageBlock) -> None:
    compile(block.text, block.page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize(
    ("line", "is_wrong"),
    [
        ("mcptasks call http://127.0.0.1/mcp report --arg a=1", False),
        ("mcptasks call http://127.0.0.1/mcp report --argh a=1", True),
        ("kubectl mcptasks cancel --wait NAME", False),
        ("mcptasks fly", True),
        ("make demo", False),
        ("make tea", True),
        ("helm upgrade x charts/mcptasks --set dashboard.enabled=true", False),
        ("helm upgrade x charts/mcptasks --set dashboard.on=true", True),
        ("kubectl get pods", False),
    ],
)
def test_what_does_not_exist_is_found(line: str, is_wrong: bool) -> None:
    assert bool(faults_of_command(line)) is is_wrong


def test_a_wrong_value_is_found() -> None:
    assert faults_of_yaml("dashboard: {enabled: true}") == []
    assert faults_of_yaml("dashboard: {on: true}")
    assert faults_of_yaml("apiVersion: v1\nkind: ResourceQuota\n") is None
