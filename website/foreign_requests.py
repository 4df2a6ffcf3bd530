"""What the built site would ask of other hosts: `python -m website.foreign_requests FOLDER` fails over any of it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

_FOREIGN = re.compile(r"^(?:https?:)?//", re.IGNORECASE)
_STYLE = re.compile(r"""(?:url\(\s*['"]?|@import\s+['"])((?:https?:)?//[^'")\s]+)""", re.IGNORECASE)
_LOADS = frozenset({"stylesheet", "icon", "preload", "preconnect", "dns-prefetch", "modulepreload", "prefetch"})


class LoadedParts(HTMLParser):
    """The addresses that a page loads by itself; what readers follow is none of them."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """HTMLParser's."""
        values = {name: value or "" for name, value in attrs}
        if tag == "link" and _LOADS & set(values.get("rel", "").split()):
            self.addresses.append(values.get("href", ""))
        elif tag != "a" and "src" in values:
            self.addresses.append(values["src"])
        self.addresses += _STYLE.findall(values.get("style", ""))


def foreign(page: str) -> list[str]:
    """What an HTML page loads from other hosts."""
    parts = LoadedParts()
    parts.feed(page)
    return [address for address in parts.addresses if _FOREIGN.match(address)]


def foreign_in_style(style: str) -> list[str]:
    """What a style sheet loads from other hosts."""
    return [str(address) for address in _STYLE.findall(style)]


def of_site(folder: Path) -> Iterator[str]:
    """All of the site's, each with its file."""
    for suffix, found in ((".html", foreign), (".css", foreign_in_style)):
        for file in sorted(folder.rglob(f"*{suffix}")):
            yield from (f"{file.relative_to(folder)}: {address}" for address in found(file.read_text()))


if __name__ == "__main__":
    sys.exit("\n".join(of_site(Path(sys.argv[1]))) or None)
