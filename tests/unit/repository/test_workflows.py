"""Workflows run what was reviewed: actions of others are named by a commit, which nobody can move."""

from __future__ import annotations

import re

from tests.unit.repository.sources import ROOT

FORGE = re.compile(r"actions/[\w-]+@v\d+")
OURS = re.compile(r"\./\.github/workflows/[\w-]+\.yml")
BY_COMMIT = re.compile(r"[\w-]+/[\w./-]+@[0-9a-f]{40}")


def test_actions_are_pinned() -> None:
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    used = [name for file in workflows for name in re.findall(r"uses: *(\S+)", file.read_text())]
    assert used
    pinned = (FORGE, BY_COMMIT, OURS)
    assert [name for name in used if not any(pattern.fullmatch(name) for pattern in pinned)] == []


def test_artefacts_are_taken_by_name() -> None:
    # Without one, a release would have those of the tests that run with it too.
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    taken = re.findall(r"actions/download-artifact@v\d+\n +with:\n +(\S+): *(\S+)", text)
    assert taken
    assert {key for key, _ in taken} == {"name"}
    assert {name for _, name in taken} <= set(re.findall(r"upload-artifact@v\d+\n +with:\n +name: *(\S+)", text))
