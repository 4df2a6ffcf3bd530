"""Attacks of one caller on a server's memory, connections and API server: what each of them comes to now.

Starts the whole product and a Redis on loopback, and attacks it for about two minutes.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2

from mcptasks.dev.stack import LocalStack, StackConfig
from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.kinds import MCP_TASKS
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import timestamp, utc_now
from mcptasks.settings import MIB
from tests.attacks.table import AttackRow, AttackTable
from tests.support.mcp import ACCEPT, OLD, RawClient
from tests.support.redis import RedisServer

TOOLS = """
import time
from mcptasks import TaskConfig, TaskServer

mcp = TaskServer("attacked", tasks=True)


@mcp.tool(task=TaskConfig(ttl=600))
def sleeps() -> str:
    time.sleep(600)
    return "slept"
"""

EMPTY = '{"content":[],"structuredContent":{"rows":[%s]},"isError":false}'
ANSWERED_SECONDS = 60.0
"""How long 200 refusals may take on a machine that has other things to do."""

UNREAD_SECONDS = 45.0
"""Longer than a server waits for a client that does not read."""


@dataclass(frozen=True)
class AttackedServer:
    """The server under attack."""

    stack: LocalStack
    redis: httpx2.URL
    client: RawClient

    def memory(self, field: str) -> float:
        """MiB of the server's process: `VmRSS` now, `VmHWM` at most since `forget_peak`."""
        lines = Path(f"/proc/{self.stack.pid('server')}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))

    def growth(self, attack: Callable[[], object]) -> float:
        """By how many MiB the process grows at most during the attack."""
        Path(f"/proc/{self.stack.pid('server')}/clear_refs").write_text("5")
        before = self.memory("VmRSS")
        attack()
        return self.memory("VmHWM") - before

    def task(self) -> str:
        """A task that runs for as long as the attacks do."""
        return self.client.create("sleeps")

    def end(self, task_id: str, text: str) -> None:
        """Make the text the task's result, as the gateway would."""
        asyncio.run(self._end(task_id, text.encode()))

    async def _end(self, task_id: str, data: bytes) -> None:
        access = ClusterAccess(self.stack.kubeconfig, None)
        async with await access.connect("attacks") as kube:
            item = await kube.get(MCP_TASKS, task_id, self.stack.namespace)
            ref = f"mcptasks:result:{self.stack.namespace}:{item['metadata']['uid']}:1"
            self._store(ref, data)
            record = {"ref": ref, "sizeBytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            now = timestamp(utc_now())
            status = {"phase": "completed", "reason": "Completed", "finishedAt": now, "result": record}
            await kube.patch(MCP_TASKS, task_id, {"status": status}, self.stack.namespace, subresource="status")

    def _store(self, key: str, data: bytes) -> None:
        assert self.redis.port is not None
        with socket.create_connection((self.redis.host, self.redis.port)) as connection:
            head = f"*3\r\n$3\r\nSET\r\n${len(key)}\r\n{key}\r\n${len(data)}\r\n"
            connection.sendall(head.encode() + data + b"\r\n")
            assert connection.recv(16).startswith(b"+OK")

    @contextmanager
    def unread(self, method: str, params: JsonObject) -> Iterator[socket.socket]:
        """A request whose answer nobody reads."""
        where = urlsplit(self.client.url)
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect((where.hostname, where.port))
            connection.sendall(self._head(len(body)) + body)
            yield connection

    def unfinished(self, size: int) -> socket.socket:
        """A request whose last byte does not come; as much of the others as the server takes has been sent."""
        where = urlsplit(self.client.url)
        connection = socket.create_connection((where.hostname, where.port or 80), timeout=ANSWERED_SECONDS)
        with suppress(OSError):
            connection.sendall(self._head(size) + b" " * (size - 1))
        return connection

    def _head(self, size: int) -> bytes:
        where = urlsplit(self.client.url)
        names = ACCEPT | {"host": where.netloc, "mcp-protocol-version": OLD, "content-length": str(size)}
        lines = [f"POST {where.path} HTTP/1.1", *(f"{name}: {value}" for name, value in names.items()), "", ""]
        return "\r\n".join(lines).encode()


def large_metadata(target: AttackedServer) -> AttackRow:
    """`_meta` of 1.3 MB in task calls: in the watch cache of every replica for as long as the tasks are there."""
    meta: JsonObject = {"x": [{}] * 430_000}
    call = {"name": "sleeps", "arguments": {}, "task": {}, "_meta": meta}
    before = target.memory("VmRSS")
    statuses = Counter(target.client.old("tools/call", call).status for _ in range(20))
    grown = target.memory("VmRSS") - before
    return AttackRow("20 task calls with 1.3 MB of {} in _meta", f"{grown:.0f} MiB, HTTP {dict(statuses)}", grown < 60)


def unfinished_bodies(target: AttackedServer) -> AttackRow:
    """Bodies of the largest size, of which all but the last byte comes."""
    statuses: Counter[int] = Counter()

    def attack() -> None:
        with ThreadPoolExecutor(100) as pool:
            connections = list(pool.map(target.unfinished, [4 * MIB] * 100))
        statuses.update([target.client.old("ping", {}).status])
        for connection in connections:
            connection.close()

    grown = target.growth(attack)
    figure = f"{grown:.0f} MiB more, a small request meanwhile: HTTP {next(iter(statuses))}"
    return AttackRow("100 bodies of 4 MiB without their last byte", figure, grown < 250 and statuses == {200: 1})


def cancelled_tasks(target: AttackedServer) -> AttackRow:
    """Tasks that are cancelled at once: they were in no limit."""
    made = 0
    for _ in range(60):
        answer = target.client.old("tools/call", {"name": "sleeps", "arguments": {}, "task": {}}).message
        if "result" not in answer:
            break
        made += 1
        target.client.old("tasks/cancel", {"taskId": answer["result"]["task"]["taskId"]})
    return AttackRow("60 tasks made and cancelled, 50 allowed", f"{made} kept", made <= 50)


def reading(form: str, content: str, what: str) -> Callable[[AttackedServer], AttackRow]:
    """The attack that reads a result of 24 MiB in both versions: 8 million objects once it is parsed, or one text."""

    def read(target: AttackedServer) -> AttackRow:
        task_id = target.task()
        target.end(task_id, form % content)
        about: JsonObject = {"taskId": task_id}
        old = target.growth(lambda: target.client.post("tasks/result", about, {"mcp-protocol-version": OLD}))
        new = target.growth(lambda: target.client.new("tasks/get", about))
        figures = f"{old:.0f} MiB more by tasks/result, {new:.0f} MiB by tasks/get of 2026-07-28"
        return AttackRow(f"one result of 24 MiB is read: {what}", figures, max(old, new) < 300)

    return read


OBJECTS = ",".join(["{}"] * 8_000_000)
LARGE_TEXT = "A" * (24 * MIB)


def unread_results(target: AttackedServer) -> AttackRow:
    """Connections that ask for large results and read nothing."""
    task_id = target.task()
    target.end(task_id, EMPTY % f'"{"x" * (60 * MIB)}"')

    def attack() -> None:
        with ExitStack() as stack:
            for _ in range(14):
                stack.enter_context(target.unread("tasks/result", {"taskId": task_id}))
            time.sleep(UNREAD_SECONDS)
            open_.append(connections(target))

    open_: list[int] = []
    grown = target.growth(attack)
    cut = 14 - open_[0]
    figure = f"{grown:.0f} MiB, {cut} sent and cut off, {open_[0]} refused or waiting after {UNREAD_SECONDS:.0f} s"
    return AttackRow("14 unread results of 60 MiB", figure, grown < 300 and cut > 0)


def connections(target: AttackedServer) -> int:
    """How many connections the server's port has."""
    port, lines = urlsplit(target.client.url).port, Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return sum(each[1].endswith(f":{port:04X}") and each[3] == "01" for each in fields)


def waiting_calls(target: AttackedServer) -> AttackRow:
    """Calls that wait for a task."""
    task_id = target.task()
    with ExitStack() as stack:
        calls = [stack.enter_context(target.unread("tasks/result", {"taskId": task_id})) for _ in range(300)]
        refused, until = 0, time.monotonic() + ANSWERED_SECONDS
        while refused < 200 and time.monotonic() < until:
            time.sleep(1)
            refused += sum(b"TooManyWaitingCalls" in _received(call) for call in calls)
    return AttackRow("300 waiting tasks/result, 100 allowed", f"{300 - refused} wait", refused >= 200)


def _received(connection: socket.socket) -> bytes:
    connection.setblocking(False)
    try:
        return connection.recv(65536)
    except BlockingIOError:
        return b""


def unknown_ids(target: AttackedServer) -> AttackRow:
    """Polls of ids that there are not: each was a read of the API server."""
    started = time.monotonic()
    ids = [f"sleeps-{secrets.token_hex(16)}" for _ in range(200)]
    with ThreadPoolExecutor(20) as pool:
        answers = pool.map(lambda task_id: target.client.old("tasks/get", {"taskId": task_id}), ids)
        reasons = Counter((each.error.get("data") or {}).get("reason", "read") for each in answers)
    allowed = 20 + 10 * (time.monotonic() - started)
    return AttackRow(f"{reasons.total()} polls of unknown ids", f"{reasons['read']} reads", reasons["read"] <= allowed)


def bad_tokens(target: AttackedServer) -> AttackRow:
    """Tokens at the gateway that are none: each was a TokenReview."""
    url = _gateway(target) + "/v1/assignment"
    with httpx2.Client() as http:
        started = time.monotonic()
        headers = [{"authorization": f"Bearer {secrets.token_hex(16)}"} for _ in range(300)]
        statuses = Counter(http.get(url, headers=each).status_code for each in headers)
        allowed = 10 + 5 * (time.monotonic() - started) + 1
    return AttackRow("300 bad tokens at the gateway", f"{statuses[401]} reviews", statuses[401] <= allowed)


def _gateway(target: AttackedServer) -> str:
    lines = [line for line in target.stack.log("server").splitlines() if "serving the gateway on" in line]
    return lines[0].split("serving the gateway on ")[1].split(",")[0]


def long_values(target: AttackedServer) -> AttackRow:
    """Values of a request that go to the log."""
    long = "x" * 40_000
    for headers in ({"host": long}, {"origin": f"http://{long}.example.com"}):
        target.client.post("ping", {}, headers)
    time.sleep(1)
    longest = max(map(len, target.stack.log("server").splitlines()), default=0)
    return AttackRow("headers of 40 kB", f"longest log line {longest} characters", longest < 5000)


ATTACKS: tuple[Callable[[AttackedServer], AttackRow], ...] = (
    long_values,
    bad_tokens,
    unknown_ids,
    large_metadata,
    unfinished_bodies,
    waiting_calls,
    reading(EMPTY, OBJECTS, "{},{}, in structuredContent"),
    reading('{"content":[%s]}', OBJECTS, "{},{}, in content"),
    reading('{"content":[],"_meta":{"a":[%s]}}', OBJECTS, "{},{}, in _meta"),
    reading('{"content":[{"type":"text","text":"%s"}]}', LARGE_TEXT, "a text"),
    reading('{"content":[{"type":"image","data":"%s","mimeType":"image/png"}]}', LARGE_TEXT, "an image"),
    reading('{"content":[{"type":"resource","resource":{"uri":"a:b","blob":"%s"}}]}', LARGE_TEXT, "a blob"),
    unread_results,
    cancelled_tasks,
)

SETTINGS = {
    "MCPTASKS_MAX_WAITING_CALLS_PER_CALLER": "100",
    "MCPTASKS_MAX_KEPT_TASKS_PER_CALLER": "50",
}


def attack(table: AttackTable) -> None:
    """Make them all."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        module = Path(directory, "attacked.py")
        module.write_text(TOOLS)
        redis = RedisServer(Path(directory))
        redis.start()
        stack.callback(redis.stop)
        settings: dict[str, Any] = SETTINGS | {"MCPTASKS_REDIS_URL": redis.url}
        product = stack.enter_context(LocalStack(StackConfig(str(module), settings=settings)))
        target = AttackedServer(product, httpx2.URL(redis.url), RawClient(product.endpoint, timeout=60))
        for each in ATTACKS:
            table.add(each(target))
