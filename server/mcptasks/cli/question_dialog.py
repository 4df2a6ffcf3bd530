"""Answers a tool's questions: with what was given with the command, and else by asking on the terminal."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass, field
from typing import Any

import typer

from mcptasks.cli.command_errors import CliError, usage_error
from mcptasks.cli.progress_view import ProgressView
from mcptasks.cli.question_form import AnswerError, AnswerSheet, FormField, fields_of, with_defaults
from mcptasks.cli.terminal_text import tell
from mcptasks.client import Elicitation, Reply
from mcptasks.diagnostics.visible_text import visible_line
from mcptasks.model.base import JsonObject

READ_BYTES = 4096


@dataclass(eq=False)
class TerminalLines:
    """Lines from a terminal or pipe, for whom a wait can be cancelled, as one in a thread cannot."""

    file: int
    _read: bytes = b""

    async def next(self) -> str | None:
        """The next line, without its end; None where there is no more, as after Ctrl-D."""
        while b"\n" not in self._read:
            await self._ready()
            chunk = os.read(self.file, READ_BYTES)
            if not chunk:
                return None
            self._read += chunk
        line, _, self._read = self._read.partition(b"\n")
        return line.decode(errors="replace").rstrip("\r")

    async def _ready(self) -> None:
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self.file, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self.file)


def terminal_lines() -> TerminalLines | None:
    """What is typed; None unless somebody sits there and can read what is asked."""
    return TerminalLines(sys.stdin.fileno()) if sys.stdin.isatty() and sys.stderr.isatty() else None


@dataclass(eq=False)
class QuestionDialog:
    """Answers questions, one at a time.

    A question that it has no answer to is never answered: `failure` says why, and `failed` is set. Whoever waits for
    the call has to give it up then.
    """

    sheet: AnswerSheet
    lines: TerminalLines | None
    view: ProgressView
    interruption: str = "cancels the task"
    """What Ctrl-C does, for the user to know."""

    failed: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    failure: CliError | None = field(default=None, init=False)
    asking: bool = field(default=False, init=False)
    """Whether it waits for what is typed."""

    asked: set[str] = field(default_factory=set, init=False)
    """Names of all fields so far."""

    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    @property
    def can_answer(self) -> bool:
        """Whether it answers anything at all."""
        return self.lines is not None or bool(self.sheet.texts)

    def ask_again(self) -> bool:
        """An answer was refused: from now on the user is asked for everything. False where nobody can be asked."""
        self.sheet = AnswerSheet({})
        return self.lines is not None

    @property
    def not_asked(self) -> list[str]:
        """Keys of answers for which no question came."""
        return sorted(self.sheet.texts.keys() - self.asked)

    async def answer(self, question: Elicitation) -> Reply:
        """The reply to a question; for `Client(on_elicitation=...)`."""
        async with self._turn:
            fields = fields_of(question.schema)
            self.asked.update(item.name for item in fields)
            try:
                content = self.sheet.filled(fields)
            except AnswerError as error:
                return await self._fail(str(error))
            missing = self.sheet.missing(fields)
            if not missing and fields and question.url is None:
                return Reply("accept", with_defaults(content, fields))
            if self.lines is None:
                return await self._fail(_unanswered(question, missing))
            with self.view.paused():
                self.asking = True
                try:
                    return await TerminalForm(self.lines, question, self.interruption).fill(fields, content)
                finally:
                    self.asking = False

    async def _fail(self, why: str) -> Reply:
        self.failure = usage_error(why)
        self.failed.set()
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]


def _unanswered(question: Elicitation, missing: list[FormField]) -> str:
    asks = f"the tool asks {question.message!r}"
    if question.url is not None:
        return f"{asks} and wants a page visited, {question.url}: call it from a terminal"
    if not missing:
        return f"{asks}, which can only be answered on a terminal"
    wanted = ", ".join(f"--answer {item.name}=... ({item.kind()})" for item in missing)
    return f"{asks} and has no answer: give {wanted}"


@dataclass(frozen=True)
class TerminalForm:
    """A question on the terminal: field by field, each until its answer fits."""

    lines: TerminalLines
    question: Elicitation
    interruption: str

    async def fill(self, fields: list[FormField], content: JsonObject) -> Reply:
        """The user's reply; fields that are in the content already are not asked for."""
        tell("")
        _say(f"The tool asks: {self.question.message}")
        if self.question.url is not None:
            _say(f"  Open {self.question.url}")
            done = await self._line("  Enter to go on, Ctrl-D to decline: ")
            return Reply("decline" if done is None else "accept")
        if not fields:
            return await self._confirmed()
        _say(f"  Enter takes the default, if there is one. Ctrl-D declines, Ctrl-C {self.interruption}.")
        for item in fields:
            if item.name in content:
                continue
            text = await self._field(item)
            if text is _DECLINED:
                return Reply("decline")
            if text is not None:
                content = {**content, item.name: text}
        return Reply("accept", content)

    async def _confirmed(self) -> Reply:
        text = await self._line("  yes or no, Ctrl-D declines: ")
        return Reply("accept", {}) if text is not None and text.strip().lower() in ("y", "yes") else Reply("decline")

    async def _field(self, item: FormField) -> Any:
        """The value; None for a field that stays empty."""
        if item.description:
            _say(f"  {item.description}")
        rule = "required" if item.required else "optional"
        default = f" [{_shown(item.default)}]" if item.default is not None else ""
        while (text := await self._line(f"  {item.name} ({item.kind()}; {rule}){default}: ")) is not None:
            if not text.strip() and item.default is not None:
                return item.default
            if not text.strip() and not item.required:
                return None
            try:
                if text.strip():
                    return item.read([text])
                _say(f"  {item.name} is required.")
            except AnswerError as error:
                _say(f"  {error}")
        return _DECLINED

    async def _line(self, prompt: str) -> str | None:
        typer.echo(visible_line(prompt), nl=False, err=True)
        text = await self.lines.next()
        if text is None:
            _say("")
        return text


_DECLINED = object()


def _say(text: str) -> None:
    # A line of the tool's must not look like one of ours.
    first, *more = text.split("\n")
    tell("\n".join([first, *(f"  {line}" if line else "" for line in more)]))


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return "yes" if default else "no"
    return ", ".join(map(str, default)) if isinstance(default, list) else str(default)
