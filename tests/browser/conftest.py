"""A browser, dashboards to look at, and a picture of each page that was looked at."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect, sync_playwright

from mcptasks.client import SyncClient
from mcptasks.dashboard.dashboard_app import dashboard_app
from mcptasks.dev.stack import LocalStack, StackConfig
from mcptasks.dev.supervisor import free_ports
from tests.browser.chromium import HOW, chromium
from tests.support.environments import CACHE, npm_packages
from tests.support.polling import eventually
from tests.unit.dashboard.page_site import PageSite

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "results" / "browser"
TOOLS = ROOT / "tests" / "integration" / "dashboard" / "shop_tools.py"
AXE = "axe-core@4.14.1"
WAIT_MILLISECONDS = 30_000


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium()
    assert path is not None, HOW
    expect.set_options(timeout=WAIT_MILLISECONDS)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The script that finds what keeps people out of a page (axe-core, MPL-2.0)."""
    return (npm_packages(CACHE / "axe", [AXE]) / "axe-core" / "axe.min.js").read_text()


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    """The whole product, with the dashboard that asks nobody."""
    with LocalStack(StackConfig(str(TOOLS), dashboard_port=0, warm=True)) as running:
        yield running


@dataclass
class BrowserUser:
    """Somebody at a browser. Whatever a page complains of, or asks of others than its server, is a fault."""

    browser: Browser
    base: str
    name: str
    complaints: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)
    pictures: int = 0

    def opens(self, path: str, **options: object) -> Page:
        """A page in a window of its own. Options are those of Playwright's `new_context`."""
        context = self.browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))  # type: ignore[arg-type]
        context.set_default_timeout(WAIT_MILLISECONDS)
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", self._complain)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._look)
        page.goto(f"{self.base}{path}")
        return page

    def _complain(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "status of 4" not in message.text:
            self.complaints.append(message.text)

    def _look(self, request: Request) -> None:
        if not request.url.startswith((self.base, "data:", "blob:")):
            self.complaints.append(f"asks {request.url}")

    def keeps(self, page: Page, name: str = "") -> None:
        """Keep a picture of the page."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.pictures += 1
        page.screenshot(path=PICTURES / f"{self.name}{f'-{name}' if name else ''}.png", full_page=True)

    def leaves(self) -> None:
        for context in self.contexts:
            context.close()


OpenUser = Callable[[str], BrowserUser]


@pytest.fixture
def user_of(browser: Browser, request: pytest.FixtureRequest) -> Iterator[OpenUser]:
    """Makes users of a dashboard; afterwards no page may have complained."""
    users: list[BrowserUser] = []
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower()).strip("-")[:100]

    def opened(base: str) -> BrowserUser:
        users.append(BrowserUser(browser, base.rstrip("/"), name))
        return users[-1]

    yield opened
    for user in users:
        user.leaves()
    assert [complaint for user in users for complaint in user.complaints] == []


@pytest.fixture
def user(user_of: OpenUser, stack: LocalStack) -> BrowserUser:
    """A user of the whole product."""
    assert stack.dashboard_url is not None
    return user_of(stack.dashboard_url)


@pytest.fixture(scope="session")
def finished(stack: LocalStack) -> str:
    """The path of a task that has completed."""
    with SyncClient(stack.endpoint) as client:
        called = client.call_tool("stock", {"warehouse": "Kiel", "articles": 6}, task=True)
        called.result()
        return f"/tasks/default/{called.task_id}"


@pytest.fixture(scope="session")
def failed(stack: LocalStack) -> str:
    """The path of a task that has died, twice."""
    with SyncClient(stack.endpoint) as client:
        called = client.call_tool("fragile", task=True)
        called.wait()
        return f"/tasks/default/{called.task_id}"


class ServedSite:
    """A site that is served in a thread, on a free port."""

    def __init__(self, site: PageSite) -> None:
        (self.port,) = free_ports(1)
        self._site = site
        config = uvicorn.Config(dashboard_app(site.services), port=self.port, log_config=None, proxy_headers=False)
        self._server = uvicorn.Server(config)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._server.serve())

    def stop(self) -> None:
        """End it, streams included."""
        self._loop.call_soon_threadsafe(self._site.services.closing.set)
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[[PageSite], str]]:
    """Serves pages of tasks that no cluster has; gives their address, once somebody answers there."""
    sites: list[ServedSite] = []

    def served(site: PageSite) -> str:
        sites.append(ServedSite(site))
        url = f"http://127.0.0.1:{sites[-1].port}"
        eventually("the pages are served", lambda: _answers(url))
        return url

    yield served
    for site in sites:
        site.stop()


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/healthz", trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False
