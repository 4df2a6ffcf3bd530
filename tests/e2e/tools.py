"""The server of the end-to-end tests: tools that behave in every way that tools behave, good and bad."""

import asyncio
import contextlib
import ctypes
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import httpx2
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

from mcptasks import CurrentTask, TaskConfig, TaskInfo, TaskServer, progress


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


@mcp.tool(task=TaskConfig(template="burst"))
def add_in_turn(a: int, b: int) -> Sum:
    """The same on a node that takes a few at a time."""
    return add(a, b)


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
def wait_for_file(path: str) -> str:
    """Sleep until the file is there."""
    while not Path(path).exists():
        time.sleep(0.1)
    return "it is there"


@mcp.tool(task=TaskConfig(max_concurrent=2))
def nap_by_twos(seconds: float) -> str:
    """Sleep, two at a time."""
    time.sleep(seconds)
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


@mcp.tool(task=TaskConfig(retries=1))
def second_time_lucky(task: TaskInfo = CurrentTask()) -> int:
    """Die the first time; then give the number of the attempt."""
    if task.attempt == 1:
        os._exit(3)
    return task.attempt


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
def talk(lines: int, how: str) -> str:
    """Prints what hardly compresses, and ends as it is told: `return`, `killed`, or `wait`, which does not end."""
    for number in range(lines):
        print(f"{number:05} {random.Random(number).getrandbits(800):x} x")
    sys.stdout.flush()
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    progress(1, message="printed")
    while how == "wait":
        time.sleep(0.1)
    return "done"


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


@mcp.tool(task=TaskConfig(timeout=30))
def nap_in_time(seconds: float) -> str:
    """A nap that ends before its deadline, if its Pod starts soon enough."""
    return nap(seconds)


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


@mcp.tool(task=TaskConfig(template="no-variable"))
def without_variable() -> str:
    return "never"


@mcp.tool(task=TaskConfig(template="beyond-quota"))
def beyond_quota() -> str:
    return "never"


@mcp.tool(task=TaskConfig(template="cut-off"))
def cut_off() -> str:
    return "never"


@mcp.tool(task=TaskConfig(template="other-node"))
def nap_there(seconds: float) -> str:
    """A nap on the node that the tests take away."""
    return nap(seconds)


@mcp.tool(task=TaskConfig(template="other-node-first", idempotent=True))
def nap_there_first(seconds: float) -> str:
    """A nap on that node, or on another one where it is not there any more."""
    return nap(seconds)


@mcp.tool(task=TaskConfig(template="small"))
def allocate_in_small(mebibytes: int) -> int:
    return allocate(mebibytes)


@mcp.tool(annotations=ToolAnnotations(idempotent_hint=True))
def nap_idempotent(seconds: float) -> str:
    """A nap that may be taken twice."""
    return nap(seconds)


@mcp.tool()
def until(moment: float, size: int = 6) -> str:
    """Answer at that moment, in seconds since the epoch, with a text of that size."""
    time.sleep(max(0.0, moment - time.time()))
    return "x" * size


@mcp.tool(task=TaskConfig(template="reused"))
def until_reused(moment: float, size: int = 6) -> str:
    """The same in a worker that runs many tasks; leaves a mark of the start in the log."""
    print("mark of a start", flush=True)
    return until(moment, size)


@mcp.tool(task=TaskConfig(template="reused", idempotent=True, retries=3))
def until_reused_again(moment: float, size: int = 6) -> str:
    """The same, as often as it takes."""
    return until_reused(moment, size)


@mcp.tool(task=TaskConfig(template="once"))
def until_once(moment: float, size: int = 6) -> str:
    """The same in a worker that runs one task."""
    return until_reused(moment, size)


@mcp.tool(task=TaskConfig(template="once", idempotent=True, retries=3))
def until_once_again(moment: float, size: int = 6) -> str:
    """The same, as often as it takes."""
    return until_reused(moment, size)


@mcp.tool()
def countdown(seconds: float) -> str:
    """Say when it will end, in seconds since the epoch, and end then."""
    end = time.time() + seconds
    progress(0, message=f"ends at {end:.3f}")
    time.sleep(max(0.0, end - time.time()))
    return "done"


@mcp.tool(task=TaskConfig(retries=1))
def die_late(seconds: float) -> str:
    """Die after a while, each time."""
    time.sleep(seconds)
    os._exit(3)


def _started(record: str, seconds: float, exit_code: int) -> str:
    """Leave a mark of the start, in the log and in a file; sleep; end the process if there is an exit code."""
    print("mark of a start", flush=True)
    if record:
        with Path(record).open("a") as marks:
            marks.write("started\n")
    time.sleep(seconds)
    if exit_code:
        os._exit(exit_code)
    return "done"


@mcp.tool()
def started_once(record: str, seconds: float, exit_code: int = 0) -> str:
    """Not to be run twice."""
    return _started(record, seconds, exit_code)


@mcp.tool(annotations=ToolAnnotations(idempotent_hint=True))
def started_again(record: str, seconds: float, exit_code: int = 0, task: TaskInfo = CurrentTask()) -> str:
    """May be run twice; the first attempt takes that long."""
    return _started(record, seconds if task.attempt == 1 else 0, exit_code)


@mcp.tool(task=TaskConfig(template="queued"))
def queued_once(record: str, seconds: float, exit_code: int = 0) -> str:
    """Not to be run twice, in a queue of Kueue's."""
    return _started(record, seconds, exit_code)


@mcp.tool(task=TaskConfig(template="queued", idempotent=True))
def queued_again(record: str, seconds: float, exit_code: int = 0) -> str:
    """May be run twice, in a queue of Kueue's."""
    return _started(record, seconds, exit_code)


class Surroundings(BaseModel):
    """What a tool finds around itself."""

    user: int
    group: int
    writable: list[str]
    secrets: list[str]
    capabilities: str
    no_new_privileges: str


@mcp.tool()
def look_around(folders: list[str]) -> Surroundings:
    """Try what a tool should not be able to do: write to these folders, find secrets, have privileges."""
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    files = [os.path.join(folder, name) for folder, _, names in os.walk("/var/run/secrets") for name in names]
    return Surroundings(
        user=os.getuid(),
        group=os.getgid(),
        writable=[folder for folder in folders if _can_write(folder)],
        secrets=sorted(file for file in files if "/.." not in file),
        capabilities=status.get("CapEff", ""),
        no_new_privileges=status.get("NoNewPrivs", ""),
    )


def _can_write(folder: str) -> bool:
    path = Path(folder) / f"mcptasks-{os.getpid()}"
    try:
        path.write_text("x")
    except OSError:
        return False
    path.unlink()
    return True


class HttpRequest(BaseModel):
    """A request; a path alone is one to the gateway. `token`: own, none, or a text."""

    url: str
    method: str = "GET"
    body: Any = None
    headers: dict[str, str] = Field(default_factory=dict)
    token: str = "own"


class HttpAnswer(BaseModel):
    status: int
    body: str


@mcp.tool()
def send(requests: list[HttpRequest]) -> list[HttpAnswer]:
    """Send requests as the task's Pod could, with its own token, and tell the answers."""
    token = Path(os.environ["MCPTASKS_TOKEN_FILE"]).read_text().strip()
    with httpx2.Client(base_url=os.environ["MCPTASKS_GATEWAY_URL"], verify=False, timeout=20, trust_env=False) as http:
        return [_send(http, request, token) for request in requests]


def _send(http: httpx2.Client, request: HttpRequest, own: str) -> HttpAnswer:
    token = {"own": own, "none": ""}.get(request.token, request.token)
    headers = request.headers | ({"Authorization": f"Bearer {token}"} if token else {})
    answer = http.request(request.method, request.url, json=request.body, headers=headers)
    return HttpAnswer(status=answer.status_code, body=answer.text[:2000])
