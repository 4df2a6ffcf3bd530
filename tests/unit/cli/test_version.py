"""`mcptasks version`, and what the command line says of commands that are not installed."""

from __future__ import annotations

import json

import pytest

from mcptasks.cli import CommandEntry
from mcptasks.cli.command_errors import CliError
from mcptasks.cli.commands.print_version import VersionFormat, version_report
from mcptasks.cli.installed_build import InstalledBuild, installed_build, is_editable

BUILD = InstalledBuild("mcptasks", "1.2.3", "8ca053a4c057a676ab1ae013f7922ecc9c74aa11")


def test_the_version_comes_with_the_commit() -> None:
    assert version_report(BUILD, "3.12.1", VersionFormat.TEXT).splitlines() == [
        "mcptasks 1.2.3",
        "commit 8ca053a4c057a676ab1ae013f7922ecc9c74aa11",
        "Python 3.12.1",
    ]


def test_a_program_reads_it_as_json() -> None:
    assert json.loads(version_report(BUILD, "3.12.1", VersionFormat.JSON)) == {
        "distribution": "mcptasks",
        "version": "1.2.3",
        "commit": "8ca053a4c057a676ab1ae013f7922ecc9c74aa11",
        "python": "3.12.1",
    }


def test_a_commit_that_nobody_knows_is_unknown() -> None:
    build = InstalledBuild("mcptasks", "1.2.3", None)
    assert "commit unknown" in version_report(build, "3.12.1", VersionFormat.TEXT)
    assert json.loads(version_report(build, "3.12.1", VersionFormat.JSON))["commit"] is None


def test_this_installation_has_a_version() -> None:
    assert installed_build().version[0].isdigit()


@pytest.mark.parametrize(
    ("direct_url", "editable"),
    [
        (None, False),
        ('{"url": "file:///src", "dir_info": {"editable": true}}', True),
        ('{"url": "file:///src", "dir_info": {}}', False),
        ('{"url": "file:///a.whl", "archive_info": {}}', False),
    ],
)
def test_git_is_asked_where_the_installation_is_editable(direct_url: str | None, editable: bool) -> None:
    assert is_editable(direct_url) is editable


def test_a_command_that_the_client_alone_has_not_says_what_has_it() -> None:
    entry = CommandEntry("fly", "Not in this distribution.", "not_there")
    assert not entry.installed
    with pytest.raises(CliError, match=r"`mcptasks fly` is not part of mcptasks-client: install `mcptasks`"):
        entry.load()


def test_a_command_without_its_packages_names_the_extra() -> None:
    missing = ModuleNotFoundError("No module named 'libcst'", name="libcst")
    entry = CommandEntry("migrate", "Needs more.", "print_version", extra="migrate")
    assert str(entry.not_installed(missing)) == (
        "`mcptasks migrate` needs the package libcst: install mcptasks with the extra `migrate`"
    )


def test_a_package_that_is_missing_from_a_plain_installation_stays_an_error_of_its_own() -> None:
    missing = ModuleNotFoundError("No module named 'kopf'", name="kopf")
    assert CommandEntry("operator", "Needs kopf.", "run_operator").not_installed(missing) is missing
