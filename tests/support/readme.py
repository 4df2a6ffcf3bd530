"""The README and the pages of the documentation, as their blocks of code."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()


def blocks(language: str, page: str = README) -> list[str]:
    """Contents of the page's code blocks of a language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [content for name, content in found if name == language]


def words_of(page: str) -> list[str]:
    """Words of a page as readers count them: without code blocks, addresses of links, and marks."""
    prose = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    shown = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", prose)
    return [word for word in shown.split() if re.search(r"\w", word)]
