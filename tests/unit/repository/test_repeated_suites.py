"""What `.ci/twice.sh` repeats of a suite that has failed, and what it does not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.readme import ROOT

SUITE = """
set -euo pipefail
source .ci/twice.sh
suite named bash -c 'echo run >>"$0"; cat "$1"; exit $(($(wc -l <"$0") < 2))' "$RUNS" "$PRINTED"
"""


def exit_code(folder: Path, printed: str) -> tuple[int, int]:
    """Of a suite that prints this and fails the first time, and how often it has run."""
    runs, text = folder / "runs", folder / "printed"
    text.write_text(printed)
    environment = {"PATH": "/usr/bin:/bin", "RUNS": str(runs), "PRINTED": str(text), "TMPDIR": str(folder)}
    done = subprocess.run(["bash", "-c", SUITE], cwd=ROOT, env=environment, capture_output=True, timeout=30)
    return done.returncode, len(runs.read_text().splitlines())


def test_what_failed_once_and_passes_is_well(tmp_path: Path) -> None:
    assert exit_code(tmp_path, "FAILED tests/test_a.py::test_b\n1 failed, 7 passed\n") == (0, 2)


@pytest.mark.parametrize(
    "printed",
    [
        "..INTERNALERROR> Traceback\nINTERNALERROR> assert False\n1 failed, 7 passed\n",
        "!!!! Interrupted: 2 errors !!!!\n",
    ],
)
def test_a_run_that_was_broken_off_has_failed_whatever_is_repeated(tmp_path: Path, printed: str) -> None:
    """Only some of the tests have run, and to repeat what failed among them says nothing of the others."""
    assert exit_code(tmp_path, printed) == (1, 1)
