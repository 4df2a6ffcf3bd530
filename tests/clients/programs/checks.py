"""Checks of a client program: each is printed as a line of JSON. Runs in the client's own environment."""

import asyncio
import json
import sys
import tempfile
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SECONDS = 60


class Checks:
    """Runs checks one after the other; a failed one does not keep the others from running."""

    def __init__(self) -> None:
        self.failed = False

    async def __call__(self, name: str, body: Callable[[], Awaitable[None]]) -> None:
        detail = ""
        try:
            await asyncio.wait_for(body(), SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever a foreign client raises is the check's outcome
            where = traceback.extract_tb(error.__traceback__)[-1]
            detail = f"{type(error).__name__}: {error} ({where.name}:{where.lineno})"[:1000]
            self.failed = True
        print(json.dumps({"check": name, "ok": not detail, "detail": detail}), flush=True)


def main(body: Callable[[str, Checks], Awaitable[None]]) -> None:
    """Run the program with the server's URL from the command line; exit with 1 where a check failed."""
    checks = Checks()
    asyncio.run(body(sys.argv[1], checks))
    sys.exit(int(checks.failed))


def expect(condition: object, seen: object = None) -> None:
    """An assertion that says what was seen."""
    if not condition:
        raise AssertionError(f"seen: {seen!r}")


async def eventually(look: Callable[[], Awaitable[object]]) -> None:
    """Expect that it becomes true: what one replica has done, another one lists a moment later."""
    for _ in range(125):
        if await look():
            return
        await asyncio.sleep(0.2)
    expect(await look(), f"never {look.__name__}")


async def raises(kind: type[Exception], text: str, call: Awaitable[object]) -> None:
    """Expect that the call fails with an error of the kind that has the text in its message."""
    try:
        result = await call
    except kind as error:
        expect(text in str(error), error)
    else:
        raise AssertionError(f"no error but {result!r}")


@dataclass(frozen=True)
class HeldTool:
    """A call of the tool `hold`, which leaves in a file what became of it."""

    file: Path

    async def begun(self) -> bool:
        return self._state() == "begun"

    async def ended(self) -> bool:
        return self._state() == "ended"

    def _state(self) -> str:
        return self.file.read_text() if self.file.exists() else ""


@contextmanager
def held_tool() -> Iterator[HeldTool]:
    """A file for one call of `hold`."""
    with tempfile.TemporaryDirectory() as folder:
        yield HeldTool(Path(folder, "state"))
