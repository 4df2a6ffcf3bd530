"""Attacks that try to get a secret out, or a terminal, a log or a parser to obey: what each of them comes to now.

Starts the whole product on loopback (`mcptasks dev` without its terminal), and attacks it for about a minute.
"""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from mcptasks.client import Client, ClientError
from mcptasks.dev.stack import LocalStack, StackConfig
from mcptasks.kube.access import ClusterAccess
from mcptasks.kube.kinds import MCP_TASK_TEMPLATES, MCP_TASKS
from mcptasks.model.base import API_VERSION, JsonObject
from tests.attacks.table import AttackRow, AttackTable
from tests.support.mcp import EXTENSION, RawClient

PASSWORD = "hunter2-password"
ALICE, MALLORY = "a" * 32, "m" * 32
TITLE = "\x1b]0;owned"
"""An escape sequence by which a terminal takes another title."""

FORGED = "12:00:00 ERROR   mcptasks: forged record"

TOOLS = f'''
import json, os, sys, time, urllib.error, urllib.request
from pathlib import Path
from mcptasks import TaskConfig, TaskServer

mcp = TaskServer("attacked", tasks=True)


@mcp.tool()
def crash() -> str:
    print("starting with DB_URL=postgres://app:{PASSWORD}@db/app", flush=True)
    os._exit(3)


@mcp.tool()
def raises() -> str:
    raise LookupError("no such table")


@mcp.tool()
def paints() -> str:
    print("\\x1b]0;owned\\x07\\x1b[2J\\x9b31m\\u202e painted", flush=True)
    return "\\x1b]0;owned\\x07\\x1b[2J\\x9b31m\\u202e painted"


@mcp.tool()
def forges() -> str:
    raise ValueError("x\\n{FORGED}\\r\\x1b[2J")


@mcp.tool(task=TaskConfig(template="mistyped"))
def mistyped() -> str:
    return "never"


@mcp.tool()
def waits() -> str:
    time.sleep(60)
    return "done"


@mcp.tool()
def posts(body: str) -> int:
    """What a tool can send to the gateway in place of its runner: gives the status of the answer."""
    token = Path(os.environ["MCPTASKS_TOKEN_FILE"]).read_text()
    headers = {{"Authorization": "Bearer " + token, "Content-Type": "application/json"}}
    url = os.environ["MCPTASKS_GATEWAY_URL"] + "/v1/outcome"
    try:
        return urllib.request.urlopen(urllib.request.Request(url, body.encode(), headers)).status
    except urllib.error.HTTPError as error:
        return error.code
'''


@dataclass(frozen=True)
class AttackedProduct:
    """The product under attack."""

    stack: LocalStack
    tokens: Path
    client: RawClient

    @classmethod
    def of(cls, stack: LocalStack, tokens: Path) -> AttackedProduct:
        return cls(stack, tokens, RawClient(stack.endpoint, timeout=30))

    def old(self, method: str, params: JsonObject, token: str = ALICE) -> JsonObject:
        """The last message of a 2025-11-25 answer."""
        return self.client.old(method, params, authorization=f"Bearer {token}").message

    def new(self, method: str, params: JsonObject) -> JsonObject:
        """The last message of a 2026-07-28 answer."""
        return self.client.new(method, params, authorization=f"Bearer {ALICE}").message

    def start(self, tool: str, **arguments: object) -> str:
        """A task of the tool."""
        call = {"name": tool, "arguments": arguments, "task": {}}
        task_id: str = self.old("tools/call", call)["result"]["task"]["taskId"]
        return task_id

    def ended(self, task_id: str, seconds: float = 60) -> str:
        """Everything that callers of both versions are told of the task once it has ended, as JSON text."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            got = self.old("tasks/get", {"taskId": task_id})
            if got["result"]["status"] in ("completed", "failed", "cancelled"):
                told = [got, self.old("tasks/result", {"taskId": task_id}), self.new("tasks/get", {"taskId": task_id})]
                return json.dumps(told, ensure_ascii=False)
            time.sleep(0.1)
        return f"no end within {seconds:.0f} s"

    def object(self, task_id: str) -> JsonObject:
        """The McpTask."""

        async def read() -> JsonObject:
            async with await ClusterAccess(self.stack.kubeconfig).connect() as kube:
                return await kube.get(MCP_TASKS, task_id, self.stack.namespace)

        return asyncio.run(read())

    def status(self, token: str) -> int:
        """The HTTP status of a call with this token."""
        return self.client.old("tools/list", {}, authorization=f"Bearer {token}").status

    def raw(self, *headers: str, body: str = "") -> str:
        """The answer to the bytes of a request, up to the end of the connection or for two seconds."""
        where = urlsplit(self.stack.endpoint)
        lines = [f"POST {where.path} HTTP/1.1", "Content-Type: application/json", *headers, "", body]
        with socket.create_connection((where.hostname or "", where.port or 0), timeout=2) as connection:
            connection.sendall("\r\n".join(lines).encode())
            answer = b""
            try:
                while part := connection.recv(65536):
                    answer += part
            except TimeoutError:
                answer += b" (the connection stayed open)"
        return answer.decode(errors="replace")

    def on_terminal(self, *words: str) -> str:
        """What a command prints on a terminal."""
        leader, follower = pty.openpty()
        environment = {**os.environ, "NO_COLOR": "1", "MCPTASKS_TOKEN": ALICE}
        command = [sys.executable, "-m", "mcptasks", *words]
        process = subprocess.Popen(command, stdout=follower, stderr=follower, env=environment)
        os.close(follower)
        printed = b""
        with closing(os.fdopen(leader, "rb", buffering=0)) as terminal:
            # Linux tells of the end of a terminal by an error.
            try:
                while part := terminal.read(65536):
                    printed += part
            except OSError:
                pass
        process.wait(60)
        return printed.decode(errors="replace")


def logs_of_a_crash(target: AttackedProduct) -> Iterator[AttackRow]:
    task_id = target.start("crash")
    told = target.ended(task_id)
    kept = target.object(task_id)["status"].get("logTail", "")
    yield AttackRow(
        "a tool prints DB_URL with its password and dies: what callers are told, both versions",
        "the password" if PASSWORD in told else "reason ExitCode, exit code 3, no line of the log",
        PASSWORD not in told and "ExitCode" in told,
    )
    yield AttackRow(
        "... and what whoever may read the object is told",
        "status.logTail has the line" if PASSWORD in kept else "nothing",
        PASSWORD in kept,
    )
    told = target.ended(target.start("raises"))
    own = re.search(r"LookupError: 'no such table'|LookupError: no such table", told)
    yield AttackRow(
        "a tool raises: type, message and own frames reach the caller, no directory and no library",
        "they do" if own else told[:200],
        own is not None and " in raises" in told and "site-packages" not in told and "Traceback" not in told,
    )


def escapes(target: AttackedProduct) -> Iterator[AttackRow]:
    task_id = target.start("paints")
    target.ended(task_id)
    kubeconfig = ("--kubeconfig", str(target.stack.kubeconfig))
    for words in (
        ("describe", task_id, *kubeconfig),
        ("logs", task_id, *kubeconfig),
        ("get", task_id, "-o", "yaml", *kubeconfig),
        ("get", task_id, "-o", "json", *kubeconfig),
        ("call", target.stack.endpoint, "paints"),
        ("call", target.stack.endpoint, "paints", "-o", "json"),
    ):
        printed = target.on_terminal(*words)
        obeyed = [name for name, text in (("ESC", TITLE), ("CSI", "\x9b"), ("bidi", "\u202e")) if text in printed]
        shown = " ".join(word for word in (words[0], *words[2:]) if word.startswith("-o") or word in ("yaml", "json"))
        yield AttackRow(
            f"a tool prints escape sequences, `mcptasks {words[0]}{' ' + shown if shown else ''}` on a terminal",
            f"the terminal obeys: {', '.join(obeyed)}" if obeyed else "they are shown",
            not obeyed and "painted" in printed,
        )


def forged_records(target: AttackedProduct) -> Iterator[AttackRow]:
    target.old("tools/call", {"name": "forges", "arguments": {}})
    target.ended(target.start("forges"))
    for name in ("server", "operator"):
        log = target.stack.log(name)
        forged = [line for line in log.splitlines() if line.startswith(FORGED)]
        raw = any(character in log for character in "\x1b\r")
        yield AttackRow(
            f"an error with a line break, a carriage return and ESC in it: the log of the {name}",
            "a record was forged" if forged else "obeyed by a terminal" if raw else "indented, controls shown",
            not forged and not raw,
        )


def sources(target: AttackedProduct) -> Iterator[AttackRow]:
    answer = target.raw("Host: evil.example", "Origin: http://evil.example", "Content-Length: 0")
    yield AttackRow(
        "MCPTASKS_ALLOWED_HOSTS=*: a page of http://evil.example calls",
        answer.split("\r\n", 1)[0],
        answer.startswith("HTTP/1.1 403"),
    )
    warned = "ALLOWED_HOSTS=* switches" in target.stack.log("server")
    yield AttackRow("... and what the server says at its start", "a warning" if warned else "nothing", warned)


def ambiguous_requests(target: AttackedProduct) -> Iterator[AttackRow]:
    host, alice = "Host: localhost", f"Authorization: Bearer {ALICE}"
    smuggled = f"0\r\n\r\nPOST /mcp HTTP/1.1\r\n{host}\r\n{alice}\r\nContent-Length: 0\r\n\r\n"
    size = f"Content-Length: {len(smuggled)}"
    for attack, answer in (
        ("two Authorization headers", target.raw(host, alice, f"Authorization: Bearer {MALLORY}", "Content-Length: 0")),
        (
            "Content-Length with Transfer-Encoding, and a second request in the body",
            target.raw(host, alice, size, "Transfer-Encoding: chunked", body=smuggled),
        ),
        (
            "two lengths, and a second request in the body",
            target.raw(host, alice, size, "Content-Length: 5", body=smuggled),
        ),
    ):
        answers = answer.count("HTTP/1.1 ")
        yield AttackRow(
            attack, f"{answer.split(chr(13), 1)[0]}, {answers} answer(s)", "HTTP/1.1 400" in answer and answers == 1
        )


def broken_texts(target: AttackedProduct) -> Iterator[AttackRow]:
    cursor = urlsafe_b64encode(b"[" * 5000 + b"]" * 5000).decode()
    error = target.old("tasks/list", {"cursor": cursor}).get("error", {})
    yield AttackRow(
        "tasks/list with a cursor of 5,000 nested lists", str(error.get("message")), error.get("code") == -32602
    )
    for what, outcome in (
        ("error data with half a character", {"kind": "error", "code": 1, "message": "", "dataText": '"\\ud800"'}),
        ("a result with half a character", {"kind": "result", "text": '{"content":[{"a":"\\udc00"}]}'}),
        (
            "error data 5,000 lists deep",
            {"kind": "error", "code": 1, "message": "", "dataText": "[" * 5000 + "]" * 5000},
        ),
    ):
        told = target.ended(target.start("posts", body=json.dumps(outcome)))
        refused = '"result": 422' in told
        yield AttackRow(f"a Pod posts {what} to the gateway", "422" if refused else told[:200], refused)


def mistyped_template(target: AttackedProduct) -> Iterator[AttackRow]:
    template = {
        "apiVersion": API_VERSION,
        "kind": "McpTaskTemplate",
        "metadata": {"name": "mistyped"},
        "spec": {
            "podTemplate": {
                "spec": {
                    "containers": [{"name": "runner", "volumeMounts": [{"name": "x", "mountPath": 1234}]}],
                    "volumes": [{"name": "x", "emptyDir": {}}],
                }
            }
        },
    }

    async def create() -> None:
        async with await ClusterAccess(target.stack.kubeconfig).connect() as kube:
            await kube.create(MCP_TASK_TEMPLATES, template, target.stack.namespace)

    asyncio.run(create())
    told = target.ended(target.start("mistyped"), seconds=20)
    ended = "InvalidTemplate" in told
    yield AttackRow(
        "a template with `mountPath: 1234`", "InvalidTemplate, with the place" if ended else told[:200], ended
    )


def credentials(_: AttackedProduct) -> Iterator[AttackRow]:
    shown = repr(Client(f"http://me:{PASSWORD}@127.0.0.1/mcp", token=PASSWORD, auth=PASSWORD, headers={"K": PASSWORD}))
    yield AttackRow(
        "repr(Client(...)) with token, auth, headers and a password in the URL", shown, PASSWORD not in shown
    )
    for status in (302, 307, 308):
        with _redirecting(status) as (url, received):
            told = _call_with_secrets(url)
        yield AttackRow(
            f"a server answers {status} to another origin",
            f"{len(received)} request(s) arrived there; {told}",
            not received and "redirects to" in told,
        )


def _call_with_secrets(url: str) -> str:
    async def call() -> str:
        try:
            async with Client(url, token=PASSWORD, headers={"X-Api-Key": PASSWORD}, protocol="2026-07-28"):
                return "the client is satisfied"
        except ClientError as error:
            return re.sub(r":\d+", ":...", str(error)).partition(": headers")[0]

    return asyncio.run(call())


@contextmanager
def _redirecting(status: int) -> Iterator[tuple[str, list[str]]]:
    """A server that redirects to another one, and what arrived there."""
    received: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(str(self.headers))
            self.send_error(404)

        do_GET = do_POST  # noqa: N815 - the standard library looks for these names

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as other:

        class Redirecting(Elsewhere):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                self.send_response(status)
                self.send_header("Location", f"http://127.0.0.1:{other.server_port}/mcp")
                self.send_header("Content-Length", "0")
                self.end_headers()

        with ThreadingHTTPServer(("127.0.0.1", 0), Redirecting) as first:
            threads = [threading.Thread(target=server.serve_forever, args=(0.05,)) for server in (first, other)]
            for thread in threads:
                thread.start()
            try:
                yield f"http://127.0.0.1:{first.server_port}/mcp", received
            finally:
                for server in (first, other):
                    server.shutdown()
                for thread in threads:
                    thread.join()


def revoked_tokens(target: AttackedProduct) -> Iterator[AttackRow]:
    """Last of all: afterwards nobody has a token."""
    task_id = target.start("waits")
    meta: JsonObject = {"io.modelcontextprotocol/clientCapabilities": {"extensions": {EXTENSION: {}}}}
    wanted = {"notifications": {"taskIds": [task_id]}, "_meta": meta}
    with target.client.stream("subscriptions/listen", wanted, authorization=f"Bearer {ALICE}") as stream:
        stream.next()
        begun = time.monotonic()
        target.tokens.write_text(f"mallory: {MALLORY}\n")
        time.sleep(1.2)
        yield AttackRow("a token whose line was removed", f"HTTP {target.status(ALICE)}", target.status(ALICE) == 401)
        stream.rest()
        seconds = time.monotonic() - begun
    yield AttackRow("... and a stream that it had opened", f"ended after {seconds:.0f} s", seconds < 15)
    target.tokens.write_text(f"mallory: {MALLORY}\nalice: {ALICE}\nhalf a li")
    time.sleep(1.2)
    old, new = target.status(MALLORY), target.status(ALICE)
    yield AttackRow(
        "a half-written file: a token that stays, one that is new", f"HTTP {old}, HTTP {new}", (old, new) == (200, 401)
    )
    for what, change in (("emptied", lambda: target.tokens.write_text("")), ("removed", target.tokens.unlink)):
        target.tokens.write_text(f"mallory: {MALLORY}\n")
        time.sleep(1.2)
        before = target.status(MALLORY)
        change()
        time.sleep(1.2)
        after = target.status(MALLORY)
        yield AttackRow(
            f"the file of tokens is {what}", f"HTTP {before} before, HTTP {after} after", (before, after) == (200, 401)
        )


ATTACKS: tuple[Callable[[AttackedProduct], Iterator[AttackRow]], ...] = (
    logs_of_a_crash,
    escapes,
    forged_records,
    sources,
    ambiguous_requests,
    broken_texts,
    mistyped_template,
    credentials,
    revoked_tokens,
)


def attack(table: AttackTable) -> None:
    """Make them all."""
    with tempfile.TemporaryDirectory(prefix="mcptasks-leaks-") as folder:
        module, tokens = Path(folder) / "attacked.py", Path(folder) / "tokens"
        module.write_text(TOOLS)
        tokens.write_text(f"alice: {ALICE}\nmallory: {MALLORY}\n")
        settings = {"MCPTASKS_AUTH_TOKENS": str(tokens), "MCPTASKS_ALLOWED_HOSTS": "*"}
        with LocalStack(StackConfig(str(module), settings=settings)) as stack:
            target = AttackedProduct.of(stack, tokens)
            for each in ATTACKS:
                try:
                    for row in each(target):
                        table.add(row)
                except (AssertionError, OSError, ValueError, LookupError) as error:
                    table.add(AttackRow(each.__name__, f"broke off: {error!r}", held=False))
