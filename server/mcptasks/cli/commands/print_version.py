"""`mcptasks version`: what is installed, and what it was built from."""

from __future__ import annotations

import json
import platform
from enum import StrEnum
from typing import Annotated

import typer

from mcptasks.cli.installed_build import InstalledBuild, installed_build


class VersionFormat(StrEnum):
    """How to print the version."""

    TEXT = "text"
    JSON = "json"


def command(
    output: Annotated[VersionFormat, typer.Option("--output", "-o", help="text or json.")] = VersionFormat.TEXT,
) -> None:
    """Print the version of mcptasks, the git commit that it was built from, and the version of Python.

    \b
    Example:
      mcptasks version -o json
    """
    typer.echo(version_report(installed_build(), platform.python_version(), output))


def version_report(build: InstalledBuild, python: str, output: VersionFormat) -> str:
    """A report to read, or for programs; the commit is `unknown` or null where nobody knows it."""
    if output is VersionFormat.JSON:
        facts = {"distribution": build.name, "version": build.version, "commit": build.commit, "python": python}
        return json.dumps(facts, indent=2)
    return f"{build.name} {build.version}\ncommit {build.commit or 'unknown'}\nPython {python}"
