"""Which tasks a command is about."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from mcptasks.cli.cluster_session import ClusterSession, TaskPlace, TaskReference, matching
from mcptasks.cli.command_errors import CliError
from mcptasks.cli.task_selection import TaskSelection, each_task
from mcptasks.kube.errors import ForbiddenError, UnavailableError
from mcptasks.model.base import JsonObject
from mcptasks.model.exit_codes import ExitCode


@pytest.mark.parametrize(
    ("given", "name", "namespace"),
    [
        ("report-x5b2c7", "report-x5b2c7", None),
        ("mcptask.mcptasks.dev/report-x5b2c7", "report-x5b2c7", None),
        ("mcptasks.mcptasks.dev/report-x5b2c7", "report-x5b2c7", None),
        ("mcptask/report-x5b2c7", "report-x5b2c7", None),
        ("McpTasks/report-x5b2c7", "report-x5b2c7", None),
        ("team-a/mcptask.mcptasks.dev/report-x5b2c7", "report-x5b2c7", "team-a"),
        ("mcptasks/mcptask.mcptasks.dev/report-x5b2c7", "report-x5b2c7", "mcptasks"),
        ("/mcptask/report-x5b2c7", "report-x5b2c7", None),
    ],
)
def test_a_name_may_have_its_kind_and_namespace_before_it(given: str, name: str, namespace: str | None) -> None:
    assert TaskReference.parse(given) == TaskReference(name, namespace)


@pytest.mark.parametrize(
    "given",
    [
        "",
        ".",
        "..",
        "a/b",
        "a%2Fb",
        "a?b",
        "job/a",
        "mcptask.mcptasks.dev/",
        "mcptask/..",
        "team-a/mcptask/",
        "../mcptask/a",
    ],
)
def test_what_can_be_no_name_is_refused(given: str) -> None:
    with pytest.raises(CliError, match="is not the name of a task") as caught:
        TaskReference.parse(given)
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize("reference", [TaskReference("report-x5b2c7"), TaskReference("report-x5b2c7", "team-a")])
def test_what_is_printed_of_a_task_is_taken_again(reference: TaskReference) -> None:
    assert TaskReference.parse(str(reference)) == reference


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


@dataclass(frozen=True)
class ListedTasks:
    """Stands in for a session, and for the client in it, with tasks that a selector finds."""

    items: list[JsonObject]
    namespace: str = "default"
    looked_for: list[str] = field(default_factory=list)

    @property
    def kube(self) -> ListedTasks:
        return self

    async def list(self, *_: object, **__: object) -> ListedTasks:
        return self

    async def find(self, name: str) -> TaskPlace:
        self.looked_for.append(name)
        raise AssertionError("a task that was listed is not looked for by its beginning")

    def beside(self, reference: TaskReference) -> ListedTasks:
        return self if reference.namespace is None else replace(self, namespace=reference.namespace)


def listed(*names: str) -> ListedTasks:
    spec = {"component": {"name": "report"}}
    return ListedTasks([{"metadata": {"name": name, "namespace": "team", "uid": name}, "spec": spec} for name in names])


EVERY = TaskSelection((), None, True, True)


@pytest.mark.anyio
async def test_what_fails_for_one_task_is_told_and_the_others_have_their_turn(
    capsys: pytest.CaptureFixture[str],
) -> None:
    done: list[tuple[str, str]] = []

    async def work(cluster: ClusterSession, name: str) -> None:
        if name == "job-1":
            raise ForbiddenError(403, "Forbidden", "no right to that")
        done.append((cluster.namespace, name))

    session = cast(ClusterSession, listed("job-1", "job-2", "job-3"))
    assert not await each_task(session, EVERY, work, lambda _: True)
    assert done == [("team", "job-2"), ("team", "job-3")]
    assert "no right to that" in capsys.readouterr().err


@pytest.mark.anyio
async def test_a_cluster_that_does_not_answer_any_more_ends_the_work() -> None:
    async def work(_: ClusterSession, name: str) -> None:
        raise UnavailableError(503, "Unavailable", name)

    with pytest.raises(UnavailableError, match="job-1"):
        await each_task(cast(ClusterSession, listed("job-1", "job-2")), EVERY, work, lambda _: True)
