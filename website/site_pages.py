"""The site's pages: where each file of the repository is on it, and what its links become. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Mapping

DOCS = "docs"
ELSEWHERE = {
    "website/pages/index.md": "index.md",
    "website/pages/api.md": "api.md",
    "charts/mcptasks/README.md": "chart-values.md",
    "examples/README.md": "examples/index.md",
    "examples/batch_inference/README.md": "examples/batch-inference.md",
    "examples/coding_agents/README.md": "examples/coding-agents.md",
    "examples/data_report/README.md": "examples/data-report.md",
    "examples/media_conversion/README.md": "examples/media-conversion.md",
    "examples/plan_and_apply/README.md": "examples/plan-and-apply.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
"""Pages of the site that are not in docs/, by their file."""

_LINK = re.compile(r"(\]\()(?![a-z][a-z0-9+.-]*:|#|/)([^)\s#]+)(#[^)\s]*)?(?=[)\s])")
_NAMED_AS_FILE = re.compile(r"\[([\w./-]+\.md)\]\(([\w./-]+\.md)(?=[)#])")
_CODE = re.compile(r"(^ *(`{3,}).*?^ *\2 *$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)


def site_path(file: str) -> str | None:
    """Where the file of the repository is on the site; None for one that is not there."""
    if file == f"{DOCS}/README.md":
        return "index.md"
    if file.startswith(f"{DOCS}/"):
        return file.removeprefix(f"{DOCS}/")
    return ELSEWHERE.get(file)


def title_of(text: str) -> str:
    """The page's first heading."""
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def titled(text: str, file: str, titles: Mapping[str, str]) -> str:
    """The page's text with links that are named as files named as the pages; titles are by file of the repository."""

    def turned(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(file), found[2]))
        return f"[{titles.get(target) or found[1]}]({found[2]}"

    return _NAMED_AS_FILE.sub(turned, text)


def linked(text: str, file: str, repository: str, folders: Collection[str] = ()) -> str:
    """The page's text with links as the site has them; what is not on the site is linked to in the repository.

    Args:
        text: Markdown.
        file: the page's file in the repository.
        repository: its address, without a slash at the end.
        folders: files of the repository that are folders.
    """
    here = posixpath.dirname(site_path(file) or "")

    def turned(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(file), found[2]))
        there = site_path(target) if target not in folders else None
        if there is None:
            kind = "tree" if target in folders else "blob"
            return f"{found[1]}{repository}/{kind}/main/{target}{found[3] or ''}"
        return f"{found[1]}{posixpath.relpath(there, here or '.')}{found[3] or ''}"

    parts = _CODE.split(text)
    # The expression has two groups: text, code, its fence, text, and so on.
    return "".join(
        _LINK.sub(turned, part) if number % 3 == 0 else part for number, part in enumerate(parts) if number % 3 != 2
    )
