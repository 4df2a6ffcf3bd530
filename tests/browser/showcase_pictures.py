"""Pictures of the dashboard: `python -m tests.browser.showcase_pictures FOLDER MINUTES` runs the showcase that long."""

from __future__ import annotations

import io
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.chromium import HOW, chromium
from tests.browser.showcase import Showcase, showcase

WIDTH, SCALE = 1200, 1.5
HEIGHTS = {"task": 1130, "tasks": 800, "overview": 800}
COLOURS = 128
FAR = re.compile(r"batch (2[5-9]|3\d) of 40")
"""What the task says in its picture."""

TASK_SECONDS = 45.0

WAIT_MILLISECONDS = 120_000


def take(browser: Browser, shown: Showcase, folder: Path, seconds: float) -> list[Path]:
    """Pictures of the list, a task and the overview, and their files. The task runs for so many seconds."""
    base = (shown.stack.dashboard_url or "").rstrip("/")
    path = shown.is_seen(seconds)
    context = browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHTS["task"]}, device_scale_factor=SCALE, color_scheme="light"
    )
    context.set_default_timeout(WAIT_MILLISECONDS)
    page = context.new_page()
    try:
        page.goto(f"{base}{path}")
        expect(page.locator("#head")).to_contain_text(FAR, timeout=WAIT_MILLISECONDS)
        files = [keep(page, folder / "dashboard-task.png")]
        for name in ("tasks", "overview"):
            page.set_viewport_size({"width": WIDTH, "height": HEIGHTS[name]})
            page.goto(f"{base}/{name}")
            expect(page.locator("#live-note")).to_have_text("Live")
            files.append(keep(page, folder / f"dashboard-{name}.png"))
        return files
    finally:
        context.close()


def keep(page: Page, file: Path) -> Path:
    """What the window shows, in as few bytes as text on a plain ground needs."""
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        flat = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        flat.save(file, optimize=True)
    return file


def main(words: Sequence[str]) -> None:
    """Run the showcase, and take its pictures."""
    folder, minutes = Path(words[0]), float(words[1])
    path = chromium()
    if path is None:
        sys.exit(HOW)
    with tempfile.TemporaryDirectory() as made, showcase(Path(made)) as shown, sync_playwright() as playwright:
        shown.works(minutes)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for file in take(browser, shown, folder, TASK_SECONDS):
            print(f"{file}: {file.stat().st_size // 1024} KiB")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
