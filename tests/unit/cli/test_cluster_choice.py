"""Which cluster commands are about, and what they say of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from mcptasks.cli.cluster_choice import ClusterChoice, choose_cluster
from mcptasks.dev.dev_record import DevRecord, DevRecords
from mcptasks.kube.access import ClusterAccess


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "home" / "project"
    (path / "below").mkdir(parents=True)
    return path


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    return {"XDG_RUNTIME_DIR": str(runtime)}


def record(directory: Path, pid: int | None = None) -> DevRecord:
    """What a `dev` in the directory, in this process, would have written."""
    kubeconfig = directory / "kubeconfig"
    kubeconfig.touch()
    return DevRecord(
        pid=pid or os.getpid(), endpoint="http://127.0.0.1:1/mcp", kubeconfig=kubeconfig, directories=[directory]
    )


@pytest.fixture
def dev(project: Path, environment: Mapping[str, str]) -> Iterator[DevRecord]:
    """A `dev` that runs in the project."""
    running = record(project)
    with DevRecords.of_user(environment).kept(running):
        yield running


def chosen(
    directory: Path, environment: Mapping[str, str], given: ClusterAccess | None = None, *, by_option: bool = False
) -> ClusterChoice:
    return choose_cluster(
        given or ClusterAccess(),
        by_option=by_option,
        environment=environment,
        directory=directory,
        home=Path("/none"),
    )


def test_dev_is_found_from_its_directory_and_below(
    project: Path, environment: Mapping[str, str], dev: DevRecord
) -> None:
    for directory in (project, project / "below"):
        choice = chosen(directory, environment)
        assert (choice.access, choice.dev) == (ClusterAccess(dev.kubeconfig), dev)
    described = chosen(project, environment).described("https://h")
    assert described == f"that of `mcptasks dev` for {project} (http://127.0.0.1:1/mcp)"


def test_dev_is_found_where_it_had_other_variables(project: Path, environment: Mapping[str, str]) -> None:
    running = record(project)
    with DevRecords.of_user({}).kept(running):
        assert chosen(project, environment).dev == running
        assert chosen(project, {}).dev == running


def test_dev_is_not_found_elsewhere(project: Path, environment: Mapping[str, str], dev: DevRecord) -> None:
    (project.parent / "other").mkdir()
    for directory in (project.parent, project.parent / "other"):
        assert chosen(directory, environment).dev is None


@pytest.mark.parametrize("given", [ClusterAccess(Path("/k")), ClusterAccess(context="prod")])
@pytest.mark.parametrize("by_option", [True, False])
def test_what_is_named_wins(
    project: Path, environment: Mapping[str, str], dev: DevRecord, given: ClusterAccess, by_option: bool
) -> None:
    choice = chosen(project, environment, given, by_option=by_option)
    assert (choice.access, choice.dev, choice.by_option) == (given, None, by_option)


def test_the_variable_of_kubectl_wins_too(project: Path, environment: Mapping[str, str], dev: DevRecord) -> None:
    choice = chosen(project, {**environment, "KUBECONFIG": "/k"})
    assert (choice.access, choice.dev, choice.from_environment) == (ClusterAccess(), None, "KUBECONFIG")


def test_a_variable_that_names_another_cluster_than_that_of_the_dev_here_is_told(
    project: Path, environment: Mapping[str, str], dev: DevRecord
) -> None:
    by_kubectl = chosen(project / "below", {**environment, "KUBECONFIG": f":/k:{dev.kubeconfig}"})
    ours = chosen(project, environment, ClusterAccess(Path("/k")))
    said = f"not that of `mcptasks dev` for {project} (http://127.0.0.1:1/mcp)"
    assert ours.described("https://h") == f"https://h (MCPTASKS_KUBECONFIG or MCPTASKS_CONTEXT), {said}"
    for choice in (by_kubectl, ours):
        assert choice.is_told(changes=False)
        assert choice.described("https://h").endswith(said)


def test_a_kubeconfig_that_cannot_be_used_leads_to_the_dev_that_runs_here(
    project: Path, environment: Mapping[str, str], dev: DevRecord
) -> None:
    """As one that a `dev` printed which has ended meanwhile."""
    stale = chosen(project, {**environment, "KUBECONFIG": "/gone/kubeconfig"})
    assert stale.advice == f"without KUBECONFIG the cluster is that of `mcptasks dev` for {project}"
    assert chosen(project.parent, environment).advice == "no `mcptasks dev` runs in this directory or one above"
    assert chosen(project, environment).advice == ""
    assert chosen(project, environment, ClusterAccess(Path("/k")), by_option=True).advice == ""


def test_a_variable_that_names_the_cluster_of_the_dev_here_surprises_nobody(
    project: Path, environment: Mapping[str, str], dev: DevRecord
) -> None:
    for choice in (
        chosen(project, {**environment, "KUBECONFIG": str(dev.kubeconfig)}),
        chosen(project, environment, ClusterAccess(dev.kubeconfig)),
        chosen(project.parent, {**environment, "KUBECONFIG": "/k"}),
        chosen(project, environment, ClusterAccess(Path("/k")), by_option=True),
    ):
        assert choice.passed_over is None
        assert not choice.is_told(changes=False)
        assert choice.is_told(changes=True) is not choice.by_option
    assert chosen(project, environment).is_told(changes=False)


def test_a_dev_in_the_home_directory_counts_there_alone(project: Path, environment: Mapping[str, str]) -> None:
    records = DevRecords.of_user(environment)
    with records.kept(record(project.parent)):
        assert records.find(project.parent, home=project.parent) is not None
        assert records.find(project, home=project.parent) is None


def test_the_nearest_counts(project: Path, environment: Mapping[str, str], dev: DevRecord) -> None:
    records, below = DevRecords.of_user(environment), record(project / "below", os.getppid())
    with records.kept(below):
        assert records.find(project / "below", home=Path("/none")) == below
        assert records.find(project, home=Path("/none")) == dev


def test_one_that_has_ended_or_lost_its_cluster_is_not_found(project: Path, environment: Mapping[str, str]) -> None:
    records = DevRecords.of_user(environment)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with records.kept(record(project, ended.pid)):
        assert records.find(project, home=Path("/none")) is None
        with records.kept(record(project / "below")):
            assert [path.name for path in records.folder.iterdir()] == [f"{os.getpid()}.json"], "the dead one is gone"
    with records.kept(alive := record(project)):
        alive.kubeconfig.unlink()
        assert records.find(project, home=Path("/none")) is None


def test_nothing_is_left_at_the_end(environment: Mapping[str, str], project: Path) -> None:
    with DevRecords.of_user(environment).kept(record(project)):
        pass
    assert list(Path(environment["XDG_RUNTIME_DIR"]).iterdir()) == []


def test_records_that_others_could_have_written_are_not_read(
    project: Path, environment: Mapping[str, str], dev: DevRecord
) -> None:
    records = DevRecords.of_user(environment)
    records.folder.chmod(0o777)
    assert records.find(project, home=Path("/none")) is None
    records.folder.chmod(0o700)
    (records.folder / f"{os.getpid()}.json").write_text("{}")
    assert records.find(project, home=Path("/none")) is None


def test_the_context_of_the_default_kubeconfig_is_named(
    tmp_path: Path,
) -> None:
    cluster = {"name": "c", "cluster": {"server": "https://prod:6443"}}
    context = {"name": "prod", "context": {"cluster": "c", "user": "u"}}
    config = {
        "clusters": [cluster],
        "contexts": [context],
        "current-context": "prod",
        "users": [{"name": "u", "user": {}}],
    }
    (tmp_path / "config").write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **config}))
    given = ClusterAccess(tmp_path / "config")
    assert given.context_name() == "prod"
    choice = ClusterChoice(given, from_environment="MCPTASKS_KUBECONFIG or MCPTASKS_CONTEXT")
    assert choice.described("https://prod:6443") == "https://prod:6443 (MCPTASKS_KUBECONFIG or MCPTASKS_CONTEXT)"
    assert ClusterChoice(ClusterAccess(tmp_path / "none")).described("https://h") == "https://h"
