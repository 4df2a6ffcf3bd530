"""The lock files have what pyproject.toml asks for, with hashes, and name no host."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
RUNTIME = ROOT / "requirements.lock"
DEVELOPMENT = ROOT / "requirements-dev.lock"
BUILD = ROOT / "requirements-build.lock"
AGAIN = "run `make lock`"


def table(name: str) -> dict[str, Any]:
    """A table of pyproject.toml."""
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())[name]
    assert isinstance(found, dict)
    return found


def project() -> dict[str, Any]:
    return table("project")


def locked(file: Path) -> dict[str, list[Requirement]]:
    """Requirements by name. A package may be there several times, each with a marker of its own."""
    found: dict[str, list[Requirement]] = {}
    for line in re.findall(r"^[\w.-]+==[^\\\n]+", file.read_text(), re.MULTILINE):
        requirement = Requirement(line.strip())
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def unmet(wanted: list[str], file: Path) -> list[str]:
    """Those of the wanted requirements of which the lock has no version that fits."""
    versions = {
        name: [next(iter(entry.specifier)).version for entry in entries] for name, entries in locked(file).items()
    }

    def met(requirement: Requirement) -> bool:
        candidates = versions.get(canonicalize_name(requirement.name), [])
        return bool(candidates) and all(requirement.specifier.contains(version) for version in candidates)

    return [text for text in wanted if not met(Requirement(text))]


def test_the_lock_has_what_users_need() -> None:
    assert unmet(project()["dependencies"], RUNTIME) == [], AGAIN


def test_the_development_lock_has_what_contributors_need_as_well() -> None:
    wanted = [*project()["dependencies"], *chain.from_iterable(project()["optional-dependencies"].values())]
    assert unmet(wanted, DEVELOPMENT) == [], AGAIN


def test_the_build_lock_has_what_builds_the_wheel() -> None:
    assert unmet(table("build-system")["requires"], BUILD) == [], AGAIN


def test_what_is_in_two_locks_has_the_same_version_in_both() -> None:
    def versions(file: Path) -> dict[str, set[str]]:
        return {name: {str(entry.specifier) for entry in entries} for name, entries in locked(file).items()}

    development, runtime, build = versions(DEVELOPMENT), versions(RUNTIME), versions(BUILD)
    assert runtime.keys() <= development.keys(), AGAIN
    assert {name: found for name, found in runtime.items() if not found <= development[name]} == {}, AGAIN
    assert {name: found for name, found in build.items() if not found <= development.get(name, found)} == {}, AGAIN


def test_what_the_project_no_longer_asks_for_is_not_locked_for_it() -> None:
    wanted = [*project()["dependencies"], *chain.from_iterable(project()["optional-dependencies"].values())]
    names = {canonicalize_name(Requirement(text).name) for text in wanted}
    entries = re.split(r"^(?=[\w.-]+==)", DEVELOPMENT.read_text(), flags=re.MULTILINE)[1:]
    direct = {canonicalize_name(entry.partition("==")[0]) for entry in entries if "mcptasks (pyproject.toml)" in entry}
    assert direct == names, AGAIN


@pytest.mark.parametrize("file", [RUNTIME, DEVELOPMENT, BUILD], ids=lambda file: str(file.name))
def test_each_version_has_hashes_and_no_host_is_named(file: Path) -> None:
    text = file.read_text()
    entries = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text
    assert [line for line in text.splitlines() if line.startswith("-")] == []


@pytest.mark.parametrize(
    ("dockerfile", "locks"),
    [("Dockerfile", [RUNTIME, BUILD]), ("tests/e2e/Dockerfile", [DEVELOPMENT])],
    ids=["product", "e2e"],
)
def test_the_images_are_built_from_the_locks(dockerfile: str, locks: list[Path]) -> None:
    text = (ROOT / dockerfile).read_text()
    installed = re.findall(r"pip install (.*)", text)
    assert installed
    assert [line for line in installed if "--require-hashes" not in line and "--no-index" not in line] == []
    for lock in locks:
        assert re.search(rf"COPY .*\b{re.escape(lock.name)}", text)
        assert f"!{lock.name}" in (ROOT / ".dockerignore").read_text().splitlines()


@pytest.mark.parametrize("file", ["Dockerfile", "Makefile"])
def test_whatever_builds_the_wheel_takes_the_locked_back_end(file: str) -> None:
    builds = re.findall(r"pip (?:install|wheel) .*(?:-e \.|--wheel-dir).*", (ROOT / file).read_text())
    assert builds
    assert [line for line in builds if "--no-build-isolation" not in line] == []
