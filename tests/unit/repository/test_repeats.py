"""What .ci/run says about what it ran a second time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.repository.sources import ROOT

FLAKY = """
def test_flaky(tmp_path):
    assert 1 == 2, "it is busy"

def test_fine():
    pass
"""


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    folder.mkdir()
    return folder


def listed(reports: Path) -> list[str]:
    command = [sys.executable, str(ROOT / ".ci" / "repeats"), str(reports)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_a_test_that_failed_is_named_with_its_first_failing_line(reports: Path, tmp_path: Path) -> None:
    module = tmp_path / "test_it.py"
    module.write_text(FLAKY)
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(module)]
    # The options of the run that this test is part of are not for the one that it starts.
    environment = {**os.environ, "PYTEST_ADDOPTS": f"--junitxml={reports / 'unit.xml'}"}
    done = subprocess.run(run, env=environment, capture_output=True, text=True, check=False)
    (reports / "unit.log").write_text(done.stdout)
    assert done.returncode == 1
    assert listed(reports) == ["unit: test_it::test_flaky: AssertionError: it is busy"]


def test_a_suite_that_could_not_begin_is_named_with_its_last_words(reports: Path) -> None:
    (reports / "clients.log").write_text(
        "installing\nnpm is not on the PATH\nmake: *** [Makefile:1: clients] Error 1\n\n"
    )
    assert listed(reports) == ["clients: npm is not on the PATH"]


def test_nothing_is_said_to_be_nothing(reports: Path) -> None:
    assert listed(reports) == ["nothing"]
