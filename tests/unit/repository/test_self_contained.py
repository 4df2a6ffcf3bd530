"""The repository names nothing outside itself: no folder beside it, and no path of somebody's machine."""

from __future__ import annotations

import re

import pytest

from tests.unit.repository.pages import files
from tests.unit.repository.sources import ROOT

ALLOWED = {".ci/run"}
"""It looks for the real cluster's tool beside the checkout."""

BESIDE = re.compile(r"\.\./shared\b")
MACHINE = re.compile(r"(?<![\w./~-])/(?:work|root|home)/[.\w]")


def named(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if BESIDE.search(line) or MACHINE.search(line)]


def test_no_file_names_what_is_outside() -> None:
    found = {}
    for name in sorted(files() - ALLOWED):
        try:
            text = (ROOT / name).read_text()
        except UnicodeDecodeError:
            continue
        if lines := named(text):
            found[name] = lines
    assert found == {}


@pytest.mark.parametrize("path", ["work/main", "root/.kube", "home/somebody"])
def test_paths_of_a_machine_are_recognised(path: str) -> None:
    assert named(f"see /{path} for more")


@pytest.mark.parametrize("text", ["a/root/b", "~/home/x", "tests/work/y.py"])
def test_other_paths_are_not(text: str) -> None:
    assert not named(text)
