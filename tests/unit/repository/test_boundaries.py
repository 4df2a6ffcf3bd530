"""What one protocol version alone has is spelt in `protocol/` and `client/protocol/` and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "server" / "mcptasks"
PROTOCOL = (SOURCES / "protocol", SOURCES / "client" / "protocol")

VERSIONED = re.compile(
    r"20\d\d[-_]\d\d[-_]\d\d(?!T)"  # a protocol version; a time stamp goes on with a T
    r"|tasks/(?:result|list|update)|notifications/tasks|subscriptions/listen"
    r"|task_?[sS]upport|result_?[tT]ype\b|related-task|immediate-response|CreateTaskResult"
    r"|io\.modelcontextprotocol/"
)
"""Protocol versions, and the methods, fields and keys that only one of them has."""


def outside() -> list[Path]:
    sources = (path for folder in ("server", "embedded", "operator") for path in (ROOT / folder).rglob("*.py"))
    return [path for path in sources if not set(PROTOCOL) & set(path.parents)]


def test_no_name_of_one_protocol_version_occurs_outside_the_protocol_packages() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match.group()}"
        for path in outside()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for match in VERSIONED.finditer(line)
    ]
    assert not found, "move these into a protocol package: " + ", ".join(found)


@pytest.mark.parametrize(
    "line", ['VERSION = "2025-11-25"', "import v2026_07_28", "`tasks/result`", "taskSupport=", 'x["resultType"]']
)
def test_such_names_are_recognised(line: str) -> None:
    assert VERSIONED.search(line)


@pytest.mark.parametrize("folder", PROTOCOL, ids=["server", "client"])
def test_the_protocol_packages_have_them_so_the_right_folders_are_left_out(folder: Path) -> None:
    assert any(VERSIONED.search(path.read_text()) for path in folder.glob("*.py"))
