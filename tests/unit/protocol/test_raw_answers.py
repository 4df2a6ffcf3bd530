"""What an answer has taken until it has been sent."""

from __future__ import annotations

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
        self.answer.on_release(lambda: self.released.append(what))


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
