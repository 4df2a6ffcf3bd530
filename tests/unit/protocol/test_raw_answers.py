"""What an answer has taken until it has been sent."""

from __future__ import annotations

from functools import partial

import anyio
import pytest
from starlette.types import Message, Receive, Scope, Send

from mcptasks.protocol.raw_answers import CallAnswer, RawAnswers

pytestmark = pytest.mark.anyio


class Answering:
    """An application that keeps the answer, as a handler in a task of its own does."""

    def __init__(self) -> None:
        self.answer: CallAnswer | None = None
        self.released: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.answer = scope["mcptasks.answer"]
        self.take("early")

    def take(self, what: str) -> None:
        assert self.answer is not None
        self.answer.portion(lambda: self.released.append(what)).hold("text", 0)


async def test_what_is_taken_after_the_request_is_over_is_given_back_at_once() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        return

    app = Answering()
    await RawAnswers(app, lambda _: True)({"type": "http", "headers": []}, receive, send)
    assert app.released == ["early"]
    app.take("late")
    assert app.released == ["early", "late"]


def message(result: str, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": result.encode(), "more_body": more}


async def test_each_result_of_a_stream_is_given_back_when_it_has_been_sent_and_no_sooner() -> None:
    sent, released = b"", list[str]()
    reads = anyio.Semaphore(0)

    async def send(sending: Message) -> None:
        nonlocal sent
        sent += sending["body"]
        await reads.acquire()

    def read(pieces: int) -> None:
        for _ in range(pieces):
            reads.release()

    answer = CallAnswer(send, is_escaped=False)
    first, second = (answer.portion(partial(released.append, name)) for name in ("first", "second"))
    one, other, another = first.hold("[1]", 1), second.hold('"2"', 0), second.hold("[3]", 0)
    async with anyio.create_task_group() as group:
        group.start_soon(answer.send, message(f'{{"a":{{"{one}":0}}}}'))
        await anyio.wait_all_tasks_blocked()
        assert released == []
        read(3)
        await anyio.wait_all_tasks_blocked()
        assert released == ["first"]
        group.start_soon(answer.send, message(f'{{"b":["{other}"]}}'))
        read(3)
        await anyio.wait_all_tasks_blocked()
        assert released == ["first"]
        group.start_soon(answer.send, message(f'"{another}"', more=False))
        read(1)
    assert released == ["first", "second"]
    assert sent == b'{"a":[1]}{"b":["2"]}[3]'


async def test_what_is_not_part_of_the_answer_after_all_is_not_waited_for() -> None:
    released = list[str]()
    portion = CallAnswer(_nowhere, is_escaped=False).portion(partial(released.append, "it"))
    token = portion.hold("x", 0)
    portion.hold("y", 0)
    portion.settle({"kept": token})
    assert released == []
    portion.settle({})
    assert released == ["it"]


async def _nowhere(_: Message) -> None:
    return
