"""A process without an entry in /etc/passwd or a home has a name and a place to write all the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mcptasks.authoring.user_variables import Home, home_state, missing_user_variables

NAMED = {"USER": "ada", "LOGNAME": "ada"}
NO_ENTRY = 4242


def missing(given: dict[str, str], home: Home, entry_name: str | None = None) -> dict[str, str]:
    return missing_user_variables(given, entry_name, home, lambda: Path("/tmp/new"))


@pytest.mark.parametrize(
    ("given", "entry_name", "names"),
    [
        ({}, None, ("mcptasks", "mcptasks")),
        ({}, "nonroot", ("nonroot", "nonroot")),
        ({"USER": "ada"}, None, ("ada", "ada")),
        ({"USER": "", "LOGNAME": "ada"}, "nonroot", ("ada", "ada")),
        (NAMED, "nonroot", ("ada", "ada")),
    ],
)
def test_the_user_has_a_name(given: dict[str, str], entry_name: str | None, names: tuple[str, str]) -> None:
    whole = given | missing(given, Home.WRITABLE, entry_name)
    assert (whole["USER"], whole["LOGNAME"]) == names


@pytest.mark.parametrize(
    ("home", "given", "added"),
    [
        (Home.WRITABLE, {}, {}),
        (Home.OF_NO_USE, {"HOME": "/"}, {"HOME": "/tmp/new"}),
        (Home.READ_ONLY, {"HOME": "/opt/app"}, {"XDG_CACHE_HOME": "/tmp/new"}),
        (Home.READ_ONLY, {"HOME": "/opt/app", "XDG_CACHE_HOME": "/models"}, {}),
        (Home.READ_ONLY_WITH_CACHE, {"HOME": "/opt/app"}, {}),
    ],
)
def test_a_home_of_no_use_is_replaced_and_an_images_own_stays(
    home: Home, given: dict[str, str], added: dict[str, str]
) -> None:
    assert missing(NAMED | given, home) == added


def test_without_any_place_to_write_nothing_is_set() -> None:
    assert missing_user_variables(NAMED, None, Home.OF_NO_USE, lambda: None) == {}


def test_what_a_home_can_be_used_for(tmp_path: Path) -> None:
    assert home_state(tmp_path) is Home.WRITABLE
    assert home_state(tmp_path / "missing") is Home.OF_NO_USE
    assert home_state(Path("~")) is Home.OF_NO_USE


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_libraries_find_a_name_and_a_home_with_a_user_id_that_nobody_knows() -> None:
    script = (
        "import getpass, os, pathlib, random\n"
        "from mcptasks.authoring.user_variables import complete_user_variables\n"
        f"os.setgid({NO_ENTRY}); os.setuid({NO_ENTRY})\n"
        "complete_user_variables(os.environ)\n"
        "home = pathlib.Path.home(); (home / '.cache').mkdir()\n"
        "print(getpass.getuser()); print(home); (home / '.cache').rmdir(); home.rmdir()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env={"HOME": "/"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    name, home = ended.stdout.split()
    assert name == "mcptasks"
    assert Path(home).name.startswith("mcptasks-home-")
