"""MCP Inspector's page, in a browser."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from checks import Checks, eventually, held_tool, main
from playwright.async_api import Page, async_playwright, expect

MILLISECONDS = 50_000
START_SECONDS = 60


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@contextmanager
def inspector(url: str, node: str, launcher: str, era: str) -> Iterator[str]:
    """The address of an Inspector that knows the server."""
    port = free_port()
    command = [node, launcher, "--web", "--transport", "http", "--server-url", url, "--protocol-era", era]
    with tempfile.TemporaryDirectory() as home:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": home,
            "CLIENT_PORT": port,
            "MCP_SANDBOX_PORT": free_port(),
            "MCP_AUTO_OPEN_ENABLED": "false",
            "MCP_INSPECTOR_API_TOKEN": "checks",
            "MCP_INSPECTOR_SECRET_STORE": "memory",
        }
        said = Path(home, "said")
        # A file, since nobody would read a pipe to its end. One process, of this program's group.
        with (
            said.open("wb") as output,
            subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT) as process,
        ):
            try:
                wait_for(process, said, port)
                yield f"http://127.0.0.1:{port}/?MCP_INSPECTOR_API_TOKEN=checks"
            finally:
                process.terminate()


def wait_for(process: subprocess.Popen[bytes], said: Path, port: str) -> None:
    """Wait until the process has said that it listens."""
    for _ in range(START_SECONDS * 5):
        if f":{port}" in said.read_text(errors="replace"):
            return
        if process.poll() is not None:
            break
        time.sleep(0.2)
    raise AssertionError(f"it does not listen: {said.read_text(errors='replace')!r}")


async def execute(page: Page, tool: str, *, as_task: bool = False, **fields: str) -> None:
    """Fill in a tool's form and press the button."""
    await page.get_by_role("button", name=tool, exact=True).click()
    for name, value in fields.items():
        await page.get_by_role("textbox", name=name, exact=True).fill(value)
    if as_task:
        await page.get_by_role("switch", name="Run as task").check(force=True)
    await page.get_by_role("button", name="Execute Tool").click()


async def connect(page: Page, address: str) -> None:
    await page.goto(address)
    await page.get_by_role("switch", name=re.compile("Connect or disconnect")).click(force=True)
    await page.get_by_text("Tools", exact=True).click()


async def checked(page: Page, checks: Checks, era: str) -> None:
    """What people do on the page."""

    result = page.get_by_test_id("structured-output")

    async def inline() -> None:
        await execute(page, "add", A="40", B="2")
        await expect(result).to_contain_text('"total": 42')

    async def error() -> None:
        await execute(page, "divide", A="1", B="0")
        await expect(page.get_by_role("alert", name="Tool Error")).to_contain_text(
            "ZeroDivisionError: division by zero"
        )

    async def required() -> None:
        await execute(page, "task_only", A="77")
        await expect(page.get_by_text("ID: task-only-").first).to_be_visible()
        await expect(result).to_contain_text("77")

    async def shows_question() -> None:
        await execute(page, "ask", as_task=True)
        await expect(page.get_by_text("waiting for input: Which word?").first).to_be_visible()
        await page.get_by_role("button", name="Cancel", exact=True).click()

    async def asks() -> None:
        await execute(page, "ask")
        await page.get_by_role("textbox", name="Word").fill("tea")
        await page.get_by_role("button", name="Submit").click()
        await expect(result).to_contain_text("tea")

    async def stops() -> None:
        with held_tool() as held:
            await execute(page, "hold", File=str(held.file))
            await eventually(held.begun)
            await page.get_by_role("button", name="Cancel", exact=True).click()
            await eventually(held.ended)

    await checks("a tool that may be a task answers", inline)
    await checks("what a tool raised is shown", error)
    await checks("a required tool answers, and its task is shown", required)
    if era == "legacy":
        await checks("a question of a task is shown, and cannot be answered", shows_question)
    else:
        await checks("a question of a task is answered in a form", asks)
    await checks("a call that is cancelled ends its tool", stops)


async def program(url: str, checks: Checks) -> None:
    node, launcher, browser, era = sys.argv[2:]
    expect.set_options(timeout=MILLISECONDS)
    with inspector(url, node, launcher, era) as address:
        async with async_playwright() as playwright:
            running = await playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
            page = await running.new_page(viewport={"width": 1400, "height": 900})
            page.set_default_timeout(MILLISECONDS)
            await connect(page, address)
            await checked(page, checks, era)
            await running.close()


main(program)
