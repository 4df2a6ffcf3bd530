"""`mcptasks call` of a tool that asks: on a terminal, and with answers given before."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from mcptasks.model.base import JsonObject
from tests.unit.client.fake_server import OLD, TASK_ID, FakeServer, RpcFault

QUESTION: JsonObject = {
    "message": "3 copies. Delete them?",
    "requestedSchema": {
        "type": "object",
        "properties": {
            "delete": {"type": "boolean", "description": "Delete the copies?"},
            "keep": {"type": "string", "enum": ["oldest", "newest"], "default": "oldest"},
        },
        "required": ["delete"],
    },
}


@pytest.fixture
def asking(server: FakeServer) -> FakeServer:
    """A server of either version whose task asks."""
    server.questions = {"q1": QUESTION}
    if server.version == OLD:
        server.statuses = ["working"]  # It tells on the stream when the task has ended.
    return server


def call(server: FakeServer, *words: str, tool: str = "work") -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a call without a terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "mcptasks", "call", server.url, tool, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@dataclass(eq=False)
class Typist:
    """Somebody at a terminal."""

    process: subprocess.Popen[bytes]
    file: int
    seen: str = field(default="", init=False)

    def sees(self, text: str) -> None:
        """Read until the text is on the screen, from where it was read last."""
        while text not in self.seen:
            self.seen += os.read(self.file, 4096).decode()
        self.seen = self.seen[self.seen.index(text) + len(text) :]

    def types(self, text: str) -> None:
        os.write(self.file, text.encode())

    def end(self) -> tuple[int, str]:
        """Exit code and standard output."""
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, out.decode()


@contextmanager
def typing(server: FakeServer, *words: str, tool: str = "work") -> Iterator[Typist]:
    """A call on a terminal of its own."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mcptasks", "call", server.url, tool, *words],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
        start_new_session=True,
    )
    os.close(theirs)
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        yield Typist(process, ours)
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()
        os.close(ours)


def content(server: FakeServer) -> JsonObject:
    """What was answered."""
    answer = dict(server.answers["q1"])
    answer.pop("_meta", None)
    return answer


def test_a_question_is_answered_field_by_field(asking: FakeServer) -> None:
    with typing(asking) as user:
        user.sees("The tool asks: 3 copies. Delete them?")
        user.sees("Delete the copies?")
        user.sees("delete (yes or no; required): ")
        user.types("\n")
        user.sees("delete is required.")
        user.types("perhaps\n")
        user.sees("'perhaps' is not yes or no")
        user.sees("required): ")
        user.types("yes\n")
        user.sees("keep (oldest or newest; optional) [oldest]: ")
        user.types("\n")
        assert user.end() == (0, "done\n")
    assert content(asking) == {"action": "accept", "content": {"delete": True, "keep": "oldest"}}


def test_only_what_has_no_answer_yet_is_asked_for(asking: FakeServer) -> None:
    with typing(asking, "--answer", "keep=newest") as user:
        user.sees("delete (yes or no; required): ")
        user.types("n\n")
        assert user.end() == (0, "done\n")
    assert content(asking) == {"action": "accept", "content": {"delete": False, "keep": "newest"}}


def test_the_end_of_input_declines(asking: FakeServer) -> None:
    with typing(asking) as user:
        user.sees("required): ")
        user.types("\x04")
        assert user.end() == (0, "done\n")
    assert content(asking) == {"action": "decline"}


def test_an_interrupt_at_a_question_cancels_the_task(asking: FakeServer) -> None:
    with typing(asking) as user:
        user.sees("required): ")
        user.process.send_signal(signal.SIGINT)
        user.sees(f"interrupted: task {TASK_ID} is cancelled")
        assert user.end()[0] == 130
    assert "tasks/cancel" in asking.methods()


def test_a_page_is_visited_and_a_question_without_fields_confirmed(new: FakeServer) -> None:
    new.questions = {"q1": {"message": "Sign in", "mode": "url", "url": "https://example.org/in"}}
    with typing(new) as user:
        user.sees("Open https://example.org/in")
        user.sees("Enter to go on")
        user.types("\n")
        assert user.end()[0] == 0
    assert content(new) == {"action": "accept"}
    new.questions, new.answers = {"q1": {"message": "Go on?", "requestedSchema": {"type": "object"}}}, {}
    with typing(new) as user:
        user.sees("yes or no")
        user.types("y\n")
        assert user.end()[0] == 0
    assert content(new) == {"action": "accept", "content": {}}


def test_answers_come_with_the_command_where_there_is_no_terminal(asking: FakeServer) -> None:
    code, out, err = call(asking, "--answer", "delete=yes", "--answer", "colour=red")
    assert (code, out) == (0, "done\n")
    assert content(asking) == {"action": "accept", "content": {"delete": True, "keep": "oldest"}}
    assert err.splitlines()[-1] == "--answer colour was not asked for"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("keep=newest", "asks '3 copies. Delete them?' and has no answer: give --answer delete=... (yes or no)"),
        ("delete=perhaps", "--answer delete: 'perhaps' is not yes or no"),
    ],
)
def test_a_missing_or_wrong_answer_is_named_and_the_task_cancelled(
    asking: FakeServer, answer: str, message: str
) -> None:
    code, out, err = call(asking, "--answer", answer)
    assert (code, out) == (2, "")
    last = err.splitlines()[-1]
    assert message in last
    assert last.endswith(f": task {TASK_ID} is cancelled")
    assert (asking.answers, "tasks/cancel" in asking.methods()) == ({}, True)


def refusing(server: FakeServer) -> FakeServer:
    """A server that refuses the first answer."""
    server.faults["response" if server.version == OLD else "tasks/update"] = [RpcFault(-32602, "not today", status=400)]
    return server


def test_an_answer_that_the_server_refuses_ends_the_task_where_nobody_can_be_asked(asking: FakeServer) -> None:
    code, out, err = call(refusing(asking), "--answer", "delete=yes")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].endswith(f"the server refuses the answer: not today: task {TASK_ID} is cancelled")
    assert "tasks/cancel" in asking.methods()


def test_on_a_terminal_it_is_asked_for_again(asking: FakeServer) -> None:
    with typing(refusing(asking), "--answer", "delete=yes") as user:
        user.sees("The server refuses the answer: not today")
        user.sees("delete (yes or no; required): ")
        user.types("no\n")
        user.sees("keep (oldest or newest; optional) [oldest]: ")
        user.types("\n")
        assert user.end() == (0, "done\n")
    assert content(asking) == {"action": "accept", "content": {"delete": False, "keep": "oldest"}}


def test_a_call_that_asks_before_it_is_a_task_is_answered_too(new: FakeServer) -> None:
    new.questions = {"q1": QUESTION}
    assert call(new, "--answer", "delete=no", tool="quick")[:2] == (0, "done\n")
    given = new.last("tools/call").params["inputResponses"]["q1"]
    assert given == {"action": "accept", "content": {"delete": False, "keep": "oldest"}}
    code, _, err = call(new, "--answer", "keep=newest", tool="quick")
    assert (code, err.splitlines()[-1].endswith("the call of quick was given up")) == (2, True)


def test_without_answers_the_server_is_told_not_to_ask_and_the_way_to_answer_is_said(new: FakeServer) -> None:
    new.statuses, new.error = ["failed"], RpcFault(-32021, "the client cannot be asked")
    code, _, err = call(new)
    assert code == 1
    assert err.splitlines()[-1].endswith(
        "cannot be asked; answer it with --answer KEY=VALUE, or call it from a terminal"
    )
    assert not any("elicitation" in str(request.params) for request in new.received)
