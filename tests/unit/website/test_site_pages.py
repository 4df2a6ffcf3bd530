"""Links of the repository's pages lead to the same place on the site."""

from __future__ import annotations

import pytest

from tests.unit.repository.pages import pages
from tests.unit.repository.sources import ROOT
from website.foreign_requests import foreign, foreign_in_style
from website.site_pages import ELSEWHERE, linked, site_path, title_of, titled

FORGE = "https://forge.test/o/r"


@pytest.mark.parametrize(
    ("file", "link", "on_site"),
    [
        ("docs/tools.md", "input.md#how-long", "input.md#how-long"),
        ("docs/tools.md", "../charts/mcptasks/README.md", "chart-values.md"),
        ("docs/tools.md", "../examples/plot.py", f"{FORGE}/blob/main/examples/plot.py"),
        ("docs/tools.md", "../examples", f"{FORGE}/tree/main/examples"),
        ("docs/tools.md", "https://else.test/x", "https://else.test/x"),
        ("docs/tools.md", "#below", "#below"),
        ("docs/tools.md", "images/a.png", "images/a.png"),
        ("docs/for/server-authors.md", "../tools.md", "../tools.md"),
        ("docs/decisions/README.md", "../../CHANGELOG.md", "../changelog.md"),
        ("website/pages/index.md", "../../docs/for/server-authors.md", "for/server-authors.md"),
        ("CONTRIBUTING.md", "docs/architecture.md", "architecture.md"),
        ("docs/tools.md", "README.md", "index.md"),
    ],
)
def test_a_link_leads_to_where_it_led(file: str, link: str, on_site: str) -> None:
    assert linked(f"[a]({link}).", file, FORGE, {"examples"}) == f"[a]({on_site})."


def test_a_link_that_is_named_as_its_file_gets_the_title_of_the_page() -> None:
    titles = {"docs/input.md": title_of("# Input\n\n## Before a task\n")}
    text = titled("[input.md](../input.md#how) and [it](../input.md)", "docs/how-to/x.md", titles)
    assert text == "[Input](../input.md#how) and [it](../input.md)"
    assert titled("[other.md](other.md)", "docs/x.md", titles) == "[other.md](other.md)"


def test_code_stays_as_it_is() -> None:
    text = "`[a](../b)`\n\n```sh\n[a](../b)\n```\n\n[a](../b)\n"
    assert linked(text, "docs/tools.md", FORGE).count("](../b)") == 2


def test_every_page_of_docs_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    files = [str(page.relative_to(ROOT)) for page in pages() if page.is_relative_to(ROOT / "docs")]
    paths = {site_path(file) for file in [*files, *ELSEWHERE]}
    assert [path for path in sorted(filter(None, paths)) if f"- {path}\n" not in navigation] == []


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ('<a href="https://else.test/">a</a><img src="a.png">', []),
        ('<script src="https://else.test/a.js"></script>', ["https://else.test/a.js"]),
        ('<link rel="stylesheet" href="//else.test/a.css">', ["//else.test/a.css"]),
        ('<link rel="canonical" href="https://here.test/">', []),
        ('<p style="background: url(https://else.test/a.png)">', ["https://else.test/a.png"]),
    ],
)
def test_what_a_page_loads_from_others_is_found(page: str, found: list[str]) -> None:
    assert foreign(page) == found


def test_what_a_style_loads_from_others_is_found() -> None:
    assert foreign_in_style('@import "https://else.test/f.css"; a { background: url(b.png) }') == [
        "https://else.test/f.css"
    ]
