"""What one protocol version alone has is spelt in `protocol/` and `client/protocol/` and nowhere else.

In `protocol/` it is spelt in that version's modules, whose names begin with the version.
"""

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


SERVER_SIDE = SOURCES / "protocol"

OWN = {
    "v2025_11_25": re.compile(
        r"2025-11-25|tasks/(?:result|list)|notifications/tasks/status|TaskStatusNotification|CreateTaskResult"
        r"|task_?[sS]upport|related-task|immediate-response|mcp-session-id"
        r"|[\"'`](?:ttl|pollInterval)[\"'`]"
    ),
    "v2026_07_28": re.compile(
        r"2026-07-28|tasks/update|notifications/tasks\b(?!/)|subscriptions/listen|server/discover|mcp-name|DetailedTask"
        r"|result_?[tT]ype\b|ttlMs|pollIntervalMs|inputResponses|inputRequests|requestState"
        r"|io\.modelcontextprotocol/tasks"
    ),
}
"""By the prefix of a version's modules: the methods, keys and headers that this version alone has."""

ALL_VERSIONS = "versions"
"""The one common module that names versions, and what tells them apart."""

MEETING_PLACES = frozenset({"extension", "tool_listing", "transport"})
"""The common modules that put the versions together, and so import their modules."""


def server_side() -> list[Path]:
    return [path for path in sorted(SERVER_SIDE.glob("*.py")) if path.stem != ALL_VERSIONS]


def spelt(paths: list[Path], pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path.name}:{number}: {match.group()}"
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for match in pattern.finditer(line)
    ]


@pytest.mark.parametrize("version", OWN)
def test_what_one_version_alone_has_is_spelt_in_its_own_modules(version: str) -> None:
    others = [path for path in server_side() if not path.stem.startswith(version)]
    assert spelt(others, OWN[version]) == []


@pytest.mark.parametrize("version", OWN)
def test_its_own_modules_do_spell_it(version: str) -> None:
    assert spelt([path for path in server_side() if path.stem.startswith(version)], OWN[version])


def test_common_modules_know_no_versions_module_but_where_the_versions_meet() -> None:
    common = [path for path in server_side() if not path.stem.startswith(tuple(OWN))]
    knowing = {path.stem for path in common if spelt([path], re.compile("|".join(OWN)))}
    assert knowing == MEETING_PLACES


def test_a_module_of_one_version_begins_with_its_name() -> None:
    assert {path.stem[:11] for path in server_side() if re.match(r"v\d", path.stem)} == set(OWN)
