"""Every test has a target of the Makefile that runs it."""

from __future__ import annotations

import re

import pytest

from tests.unit.repository.sources import ROOT
from tests.verification import PARTS, ResultRow, page_of, possible, result_of, rows_of


def test_every_folder_with_tests_is_run_by_a_target() -> None:
    folders = {path.relative_to(ROOT).parts[1] for path in (ROOT / "tests").rglob("test_*.py")}
    run = set(re.findall(r"\btests/(\w+)", (ROOT / "Makefile").read_text()))
    assert folders - run == set()


def test_what_make_verify_all_runs_are_targets() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {part.target for part in PARTS.values()} <= targets


def test_what_needs_a_real_cluster_is_left_out_without_one() -> None:
    assert possible(["faults", "kueue"], "") == ["faults"]
    assert possible(["faults", "kueue"], "a-kubeconfig") == ["faults", "kueue"]


def test_a_new_run_of_a_part_takes_the_place_of_the_last_one_on_that_cluster() -> None:
    old, other = row("old"), row("elsewhere", cluster="Kubernetes 1.36.3")
    page = page_of([old, other])
    assert rows_of(page) == [other, old]
    assert rows_of(page_of([*rows_of(page), row("a|b")])) == [other, row("a|b")]


def row(result: str, cluster: str = "embedded") -> ResultRow:
    return ResultRow("faults", cluster, "`make faults`", "2026-11-30 15:00 UTC", "abc", "4 min", result)


@pytest.mark.parametrize(
    ("part", "output", "code", "result"),
    [
        ("tests", ["=== 10 passed, 1 skipped in 3.2s ==="], 0, "10 passed, 1 skipped in 3.2s"),
        (
            "tests",
            ["=== 1 failed, 9 passed in 3.2s ===", "make: *** [test] Error 1"],
            2,
            "FAILED (exit code 2): 1 failed, 9 passed in 3.2s",
        ),
        ("faults", ["trials 7, lost 0, duplicated 0, stuck 0"], 0, "trials 7, lost 0, duplicated 0, stuck 0"),
        ("bench", ["}"], 0, "passed"),
        ("bench", ["Traceback"], 1, "FAILED (exit code 1)"),
    ],
)
def test_the_result_is_the_line_that_tells(part: str, output: list[str], code: int, result: str) -> None:
    assert result_of(PARTS[part], output, code) == result
