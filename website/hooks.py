"""What MkDocs does besides: pages that are kept elsewhere in the repository, and links from page to file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from markdown import Markdown
from markdown.extensions import Extension
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from website.site_pages import DOCS, ELSEWHERE, linked, title_of, titled

ROOT = Path(__file__).parents[1]


class ForgeIndents(Extension):
    """Lists are indented as forges have them: by two spaces."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802
        """Markdown's. The parts of its parser have the width that there was when they were made."""
        md.tab_length = 2
        md.build_parser()


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """MkDocs': before anything is read."""
    # The first of all: the others add to the parser.
    config.markdown_extensions.insert(0, ForgeIndents())  # type: ignore[arg-type]
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """MkDocs': add the pages that are not in docs/."""
    for file, path in ELSEWHERE.items():
        files.append(File.generated(config, path, abs_src_path=str(ROOT / file)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """MkDocs': before a page is rendered."""
    sources = {path: file for file, path in ELSEWHERE.items()}
    path = page.file.src_uri
    file = sources.get(path, f"{DOCS}/{path}")
    return linked(titled(markdown, file, titles()), file, str(config.extra["repository"]), folders())


@cache
def titles() -> dict[str, str]:
    """Titles of pages, by their file."""
    pages = [*(ROOT / DOCS).rglob("*.md"), *(ROOT / file for file in ELSEWHERE)]
    return {str(page.relative_to(ROOT)): title_of(page.read_text()) for page in pages}


@cache
def folders() -> frozenset[str]:
    """Folders of the repository that pages may link to."""
    return frozenset(str(path.relative_to(ROOT)) for path in ROOT.glob("[!.]*/**") if path.is_dir())
