"""What one protocol version alone has is spelt in `wire/` and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WIRE = ROOT / "server" / "mcptasks" / "wire"

VERSIONED = re.compile(
    r"20\d\d[-_]\d\d[-_]\d\d(?!T)"  # a protocol version; a time stamp goes on with a T
    r"|tasks/(?:result|list|update)|notifications/tasks|subscriptions/listen"
    r"|task_?[sS]upport|result_?[tT]ype\b|related-task|immediate-response|CreateTaskResult"
    r"|io\.modelcontextprotocol/"
)
"""Protocol versions, and the methods, fields and keys that only one of them has."""


def outside() -> list[Path]:
    sources = [*(ROOT / "server").rglob("*.py"), *(ROOT / "operator").rglob("*.py")]
    return [path for path in sources if WIRE not in path.parents]


def test_no_name_of_one_protocol_version_occurs_outside_wire() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match.group()}"
        for path in outside()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for match in VERSIONED.finditer(line)
    ]
    assert not found, "move these into server/mcptasks/wire: " + ", ".join(found)


@pytest.mark.parametrize(
    "line", ['VERSION = "2025-11-25"', "import v2026_07_28", "`tasks/result`", "taskSupport=", 'x["resultType"]']
)
def test_such_names_are_recognised(line: str) -> None:
    assert VERSIONED.search(line)


def test_wire_itself_has_them_so_the_right_folder_is_left_out() -> None:
    assert any(VERSIONED.search(path.read_text()) for path in WIRE.glob("*.py"))
