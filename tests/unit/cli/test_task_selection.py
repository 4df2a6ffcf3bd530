"""Which tasks a command is about."""

from __future__ import annotations

import pytest

from mcptasks.cli.cluster_session import bare_name, matching
from mcptasks.cli.command_errors import CliError, ExitCode
from mcptasks.cli.task_selection import TaskSelection


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("report-x5b2c7", "report-x5b2c7"),
        ("mcptask.mcptasks.dev/report-x5b2c7", "report-x5b2c7"),
        ("mcptasks.mcptasks.dev/report-x5b2c7", "report-x5b2c7"),
        ("mcptask/report-x5b2c7", "report-x5b2c7"),
        ("McpTasks/report-x5b2c7", "report-x5b2c7"),
        ("job/report-x5b2c7", "job/report-x5b2c7"),
        ("", ""),
    ],
)
def test_a_name_may_have_its_kind_before_it(given: str, name: str) -> None:
    assert bare_name(given) == name


def test_a_prefix_means_all_names_that_begin_with_it_and_an_empty_one_none() -> None:
    names = ["report-b", "report-a", "other"]
    assert matching(names, "report") == ["report-a", "report-b"]
    assert matching(names, "report-b") == ["report-b"]
    assert matching(names, "") == []


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (TaskSelection(), "name tasks, or select them"),
        (TaskSelection(["a"], "b=c"), "one of the three"),
        (TaskSelection(["a"], None, True), "one of the three"),
        (TaskSelection((), "b=c", True), "one of the three"),
    ],
)
def test_tasks_are_selected_in_exactly_one_way(selection: TaskSelection, message: str) -> None:
    with pytest.raises(CliError, match=message) as caught:
        selection.check()
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize("selection", [TaskSelection(["a"]), TaskSelection((), "b=c"), TaskSelection((), None, True)])
def test_one_way_will_do(selection: TaskSelection) -> None:
    selection.check()
