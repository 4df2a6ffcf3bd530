"""The server of the end-to-end tests: tools that behave in every way that tools behave, good and bad."""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

from mcptasks import TaskConfig, TaskServer, progress


class Unspeakable:
    """Has no text form."""

    def __repr__(self) -> str:
        raise ValueError("unspeakable")


mcp: TaskServer[Any] = TaskServer("e2e", tasks=TaskConfig(poll_interval=0.2))


class Sum(BaseModel):
    total: int
    terms: list[int]


@mcp.tool()
def add(a: int, b: int) -> Sum:
    """The least that a tool can do."""
    return Sum(total=a + b, terms=[a, b])


@mcp.tool()
async def add_async(a: int, b: int) -> Sum:
    """The same, asynchronously."""
    await asyncio.sleep(0)
    return Sum(total=a + b, terms=[a, b])


@mcp.tool()
def echo(value: Any) -> Any:
    """Whatever comes in goes out."""
    return value


@mcp.tool()
def nap(seconds: float, steps: int = 10) -> str:
    """Sleep in the main thread, with progress."""
    print(f"pid {os.getpid()} in {threading.current_thread().name}", flush=True)
    for step in range(steps):
        progress(step, steps, f"step {step} of {steps}")
        time.sleep(seconds / steps)
    return "rested"


@mcp.tool()
async def nap_async(seconds: float, ctx: Context[Any, Any]) -> str:
    """Sleep on the event loop, with progress."""
    await ctx.report_progress(1, 2, "half way")
    await asyncio.sleep(seconds)
    return "rested"


@mcp.tool(task=TaskConfig(retries=2))
def retried(exit_code: int = 3) -> str:
    """Die each time."""
    print("dying again", flush=True)
    os._exit(exit_code)


@mcp.tool(task=TaskConfig(mode="required"))
def task_only(a: int) -> int:
    return a


@mcp.tool(task=False)
def inline_only(a: int) -> int:
    return a


@mcp.tool()
def refuse(message: str) -> str:
    """Raise the tool's own error."""
    raise ToolError(message)


@mcp.tool()
def crash(message: str) -> str:
    """Raise what nobody expected."""
    raise RuntimeError(message)


@mcp.tool()
def protocol_error(code: int = -32050) -> str:
    """End the call with a JSON-RPC error."""
    raise MCPError(code=code, message="not like this", data={"why": "because"})


@mcp.tool()
def exit_with(code: int) -> str:
    """End the process through SystemExit."""
    print("last words", flush=True)
    sys.exit(code)


@mcp.tool()
def segfault() -> str:
    """Read where nothing is."""
    print("last words", flush=True)
    return str(ctypes.string_at(0))


@mcp.tool()
def allocate(mebibytes: int) -> int:
    """Take and touch that much memory."""
    blocks = []
    for _ in range(mebibytes):
        blocks.append(bytearray(os.urandom(1024)) * 1024)
        time.sleep(0.002)
    return len(blocks)


@mcp.tool()
def big(size: Annotated[int, Field(ge=0)]) -> str:
    """A result of that many bytes."""
    return "x" * size


@mcp.tool(structured_output=False)
def not_serialisable() -> Any:
    """A result that nothing can write down."""
    return {"value": Unspeakable()}


@mcp.tool()
def chatter(lines: int) -> int:
    """Print that many lines."""
    for number in range(lines):
        print(f"line {number} " + "x" * 200)
    return lines


@mcp.tool()
def fork(seconds: float, detached: bool = True) -> str:
    """Leave children behind that outlive the tool, if they may."""
    program = f"import time; time.sleep({seconds})"
    for _ in range(3):
        subprocess.Popen([sys.executable, "-c", program], start_new_session=detached)
    print("children started", flush=True)
    time.sleep(seconds)
    return "done"


@mcp.tool()
def stubborn(seconds: float) -> str:
    """Ignore SIGTERM, as code in C does."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ignoring SIGTERM", flush=True)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(BaseException):
            time.sleep(0.2)
    return "done"


@contextlib.contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    finally:
        print("cleaned up", flush=True)


@mcp.tool()
def tidy(seconds: float) -> str:
    """Clean up when cancelled."""
    with _telling():
        print("working", flush=True)
        time.sleep(seconds)
    return "done"


@mcp.tool(task=TaskConfig(timeout=2))
def too_slow() -> str:
    """Take longer than allowed."""
    time.sleep(60)
    return "done"


@mcp.tool(task=TaskConfig(template="no-such-template"))
def untemplated() -> str:
    return "never"


@mcp.tool(task=TaskConfig(template="unstartable"))
def unstartable() -> str:
    return "never"


@mcp.tool(task=TaskConfig(template="unpullable"))
def unpullable() -> str:
    return "never"


@mcp.tool(task=TaskConfig(template="unschedulable"))
def unschedulable() -> str:
    return "never"


@mcp.tool(task=TaskConfig(template="no-secret"))
def without_secret() -> str:
    return "never"


@mcp.tool(task=TaskConfig(template="small"))
def allocate_in_small(mebibytes: int) -> int:
    return allocate(mebibytes)


@mcp.tool(annotations=ToolAnnotations(idempotent_hint=True))
def nap_idempotent(seconds: float) -> str:
    """A nap that may be taken twice."""
    return nap(seconds)
