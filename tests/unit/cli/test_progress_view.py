"""Progress in plain lines and as bars."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from mcptasks.cli.progress_view import THEME, BarView, PlainView, progress_view, report_text, view_on
from mcptasks.client import CallProgress


@pytest.mark.parametrize(
    ("report", "text"),
    [
        (CallProgress(9, 20, "parsing"), "45% (9/20) parsing"),
        (CallProgress(9), "9"),
        (CallProgress(message="parsing"), "parsing"),
        (CallProgress(0, 0, "x"), "0 x"),
        (CallProgress(3, -1), "3"),
        (CallProgress(11, 12), "91% (11/12)"),
        (CallProgress(29, 100), "29% (29/100)"),
        (CallProgress(441000, 2000000), "22% (441000/2000000)"),
        (CallProgress(1234567), "1234567"),
        (CallProgress(), ""),
    ],
)
def test_progress_in_words(report: CallProgress, text: str) -> None:
    assert report_text(report) == text


def test_plain_lines_come_once_for_each_change(capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainView()
    for report in (CallProgress(), CallProgress(1, 2), CallProgress(1, 2), CallProgress(2, 2)):
        view.show("work", report)
    view.done("work", "completed")
    assert capsys.readouterr().err.splitlines() == ["work: 50% (1/2)", "work: 100% (2/2)", "work: completed"]


def test_a_bar_is_there_before_there_is_progress_and_lines_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    view = BarView(console)
    view.begin("work", "connecting to http://h/mcp")
    assert isinstance(console.file, io.StringIO)
    assert "connecting to http://h/mcp" in console.file.getvalue()
    view.close()
    PlainView().begin("work", "connecting")
    assert capsys.readouterr().err == ""


def test_a_paused_bar_leaves_the_terminal_alone() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    view = BarView(console)
    view.begin("work", "calling")
    assert isinstance(console.file, io.StringIO)
    with view.paused():
        before = console.file.getvalue()
        view.show("work", CallProgress(1, 2, "half"))
        assert console.file.getvalue() == before
    view.close()
    assert "half" in console.file.getvalue()[len(before) :]


def test_without_a_terminal_the_view_is_plain_and_goes_where_it_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_view(to_stderr=False) as view:
        view.note("hello")
    assert capsys.readouterr() == ("hello\n", "")


class TerminalFile(io.StringIO):
    """What a program writes to a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("term", "view"), [("xterm-256color", BarView), ("dumb", PlainView), ("unknown", PlainView)])
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(
    term: str, view: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    assert isinstance(view_on(Console(file=TerminalFile(), theme=THEME)), view)


def test_a_bar_shows_share_and_message_and_text_goes_on_below_it() -> None:
    out = io.StringIO()
    view = BarView(Console(file=out, force_terminal=True, width=100))
    view.show("work", CallProgress(1, 4, "parsing [ast]"))
    view.done("work", "completed in 2 s")
    view.note("and [now] this")
    text = out.getvalue()
    assert "parsing [ast]" in text
    assert "25%" in text
    assert "100%" in text
    assert text.rindex("completed in 2 s") < text.rindex("and [now] this")


def test_a_call_that_did_not_complete_does_not_get_a_full_bar() -> None:
    out = io.StringIO()
    view = BarView(Console(file=out, force_terminal=True, width=100))
    view.show("work", CallProgress(1, 4))
    view.done("work", "cancelled")
    assert "100%" not in out.getvalue()


@pytest.mark.parametrize(("current", "total", "share"), [(11, 12, "91% (11/12)"), (199, 200, "99% (199/200)")])
def test_a_bar_rounds_as_lines_do_and_ends_full(current: float, total: float, share: str) -> None:
    out = io.StringIO()
    view = BarView(Console(file=out, force_terminal=True, width=100))
    view.show("work", CallProgress(current, total))
    assert share in out.getvalue()
    assert "92%" not in out.getvalue()
    view.done("work", "completed")
    assert f"100% ({total}/{total})" in out.getvalue()


def test_a_message_without_numbers_takes_the_old_share_off_the_bar() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100)
    view = BarView(console)
    view.show("work", CallProgress(1, 4, "parsing"))
    out.seek(0)
    out.truncate()
    view.show("work", CallProgress(message="waiting"))
    assert "waiting" in out.getvalue()
    assert "%" not in out.getvalue()


def test_bars_have_colours_that_every_background_bears() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system="standard", theme=THEME)
    view = BarView(console)
    view.show("work", CallProgress(1, 2, "half"))
    view.done("work", "completed")
    assert isinstance(console.file, io.StringIO)
    found = re.findall(r"\x1b\[([\d;]+)m", console.file.getvalue())
    codes = {int(code) for codes in found for code in codes.split(";")}
    # Yellow, and the bright ones but grey, which the bar of what is unknown fades to.
    assert codes & {33, *range(91, 98)} == set()
