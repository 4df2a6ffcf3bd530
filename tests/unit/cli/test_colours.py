"""Colours: on a terminal only, and not where they are unwanted."""

from __future__ import annotations

import io

import pytest

from mcptasks.cli.colours import PHASE_COLOURS, coloured, has_colours, with_phases, with_task_id
from mcptasks.model.task import Phase


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Terminals have colours."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_each_phase_has_a_colour() -> None:
    assert set(PHASE_COLOURS) == {phase.value for phase in Phase}


def test_no_colour_is_one_that_some_background_swallows() -> None:
    assert {colour for colour in PHASE_COLOURS.values() if "bright" in colour or colour in ("yellow", "white")} == set()


@pytest.mark.usefixtures("colours")
@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("report-a   report   failed   5s", "report-a   report   \x1b[31mfailed\x1b[0m   5s"),
        ("failed-a   report   completed   5s", "failed-a   report   \x1b[32mcompleted\x1b[0m   5s"),
        ("[a] is input_required (InputRequired)", "[a] is \x1b[35minput_required\x1b[0m (InputRequired)"),
        ("NAME   PHASE", "NAME   PHASE"),
    ],
)
def test_the_phase_of_a_line_is_coloured(line: str, shown: str) -> None:
    assert with_phases(line, Terminal()) == shown


@pytest.mark.usefixtures("colours")
def test_the_id_before_a_line_is_coloured() -> None:
    assert with_task_id("[report-a] [b] text", Terminal()) == "\x1b[36m[report-a]\x1b[0m [b] text"
    assert with_task_id("text [report-a]", Terminal()) == "text [report-a]"


@pytest.mark.usefixtures("colours")
@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_unwanted(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    assert coloured("x", "red", Terminal()) == "x"


def test_what_is_piped_has_none() -> None:
    assert not has_colours(io.StringIO())
    assert with_phases("[a] failed", io.StringIO()) == "[a] failed"
