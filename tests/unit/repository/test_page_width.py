"""Pages are wrapped as code is, so that a changed word is a changed line in a review."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.repository.pages import pages, prose
from tests.unit.repository.sources import ROOT

WIDTH = 120
GENERATED = (
    "docs/clients.md",
    "docs/crds.md",
    "docs/settings.md",
    "docs/metrics.md",
    "charts/mcptasks/README.md",
)
"""Pages of which a program writes a part."""

WRAPPED = [page for page in pages() if str(page.relative_to(ROOT)) not in (*GENERATED, "CHANGELOG.md")]


@pytest.mark.parametrize("page", WRAPPED, ids=lambda page: str(page.relative_to(ROOT)))
def test_prose_is_wrapped(page: Path) -> None:
    wide = [line for line in prose(page).splitlines() if len(line) > WIDTH and not line.lstrip().startswith("|")]
    assert wide == [], f"wrap at {WIDTH} characters"
