"""Each reason of a task is explained, and can really come."""

from __future__ import annotations

import re

import pytest

from mcptasks.model.task import Reason
from tests.unit.repository.sources import PACKAGES, ROOT, modules

EXPLAINED = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "failures.md").read_text(), re.MULTILINE))
CODE = "\n".join(path.read_text() for package in PACKAGES for path in modules(package))


def test_the_page_explains_all_reasons_and_no_others() -> None:
    assert {reason.value for reason in Reason} == EXPLAINED


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: str(reason.name))
def test_some_code_gives_the_reason(reason: Reason) -> None:
    assert f"Reason.{reason.name}" in CODE
