"""Links from page to page lead somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.repository.pages import anchors, links, pages
from tests.unit.repository.sources import ROOT


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_and_anchors_resolve(page: Path) -> None:
    broken = []
    for link in links(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_of_docs_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    named = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}
    documents = [page for page in pages() if page.parent == index.parent and page != index]
    assert [page.name for page in documents if page not in named] == []


def test_every_decision_is_in_the_index_of_decisions() -> None:
    index = ROOT / "docs" / "decisions" / "README.md"
    named = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}
    decisions = [page for page in pages() if page.parent == index.parent and page != index]
    assert [page.name for page in decisions if page not in named] == []


def test_anchors_are_those_that_forges_make(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# On `tasks/list`, [once](more.md)\n\n```sh\n# no heading\n```\n\n## Twice\n\n## Twice\n")
    assert anchors(page) == {"on-taskslist-once", "twice", "twice-1"}
