"""Pages of the documentation: their text without code blocks, their links, headings and code spans."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

from tests.unit.repository.sources import ROOT

FENCED = re.compile(r"^( *)(`{3,}).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


@cache
def files() -> frozenset[str]:
    """All files of the repository, relative to its root: what is committed and what may be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return frozenset(line for line in listed.stdout.splitlines() if (ROOT / line).exists())


@cache
def folders() -> frozenset[str]:
    return frozenset(str(parent) for file in files() for parent in Path(file).parents if str(parent) != ".")


def pages() -> list[Path]:
    return sorted(ROOT / file for file in files() if file.endswith(".md"))


def prose(page: Path) -> str:
    """The page without its code blocks."""
    return FENCED.sub("", page.read_text())


def links(page: Path) -> list[str]:
    return LINK.findall(SPAN.sub("", prose(page)))


def spans(page: Path) -> list[str]:
    return [" ".join(span.split()) for span in SPAN.findall(prose(page))]


def anchors(page: Path) -> set[str]:
    """Anchors of the headings, as forges make them."""
    found: set[str] = set()
    for heading in HEADING.findall(prose(page)):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        number = 0
        while (name := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(name)
    return found
