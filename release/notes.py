"""Prints what the changelog says of a version: python -m release.notes 1.2.3"""

from __future__ import annotations

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"


class NoNotesError(Exception):
    """The changelog has no section with a date for the version."""


def notes_of(version: str, changelog: str) -> str:
    """The section of a version, without its heading.

    Raises:
        NoNotesError: there is none, or it is empty.
    """
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$"
    found = re.search(rf"{heading}\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    text = found[1].strip() if found else ""
    if not text:
        raise NoNotesError(f"CHANGELOG.md has no section '## [{version}] - DATE' with something in it")
    return text


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        print(notes_of(arguments[0], CHANGELOG.read_text()))
    except NoNotesError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
