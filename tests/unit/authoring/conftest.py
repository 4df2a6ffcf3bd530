"""What the tests of authoring share."""

from __future__ import annotations

import pytest

from tests.unit.authoring.dependency_functions import LOG


@pytest.fixture(autouse=True)
def _nothing_happened_yet() -> None:
    LOG.clear()
