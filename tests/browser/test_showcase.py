"""The pictures of the documentation can be taken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser

from tests.browser.conftest import PICTURES
from tests.browser.showcase import Showcase, showcase
from tests.browser.showcase_pictures import HEIGHTS, SCALE, WIDTH, take


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Showcase]:
    with showcase(tmp_path) as running:
        yield running


def test_list_task_and_overview_have_their_pictures(browser: Browser, shown: Showcase) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    files = take(browser, shown, PICTURES, 10)
    assert [file.stem for file in files] == ["dashboard-task", "dashboard-tasks", "dashboard-overview"]
    for file in files:
        height = HEIGHTS[file.stem.removeprefix("dashboard-")]
        with Image.open(file) as picture:
            assert picture.size == (WIDTH * SCALE, height * SCALE)
            assert len(picture.getcolors() or ()) > 20, f"{file.name} is empty"
        assert file.stat().st_size < 200_000
