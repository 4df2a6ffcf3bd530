"""What Pods print, told apart by task."""

from __future__ import annotations

import pytest

from mcptasks.dev.task_output import by_task

REPORT = "report-x5b2c7"


@pytest.mark.parametrize(
    ("pod", "line", "printed"),
    [
        (f"{REPORT}-abcde", "half done", (REPORT, "half done")),
        ("default-w-0123abcd", f"[{REPORT}/1] half done", (REPORT, "half done")),
        ("default-w-0123abcd", f"[{REPORT}/2]+half a line", (REPORT, "half a line")),
        ("default-w-0123abcd", "INFO the module is loaded", None),
        (
            f"{REPORT}-abcde",
            "[other-x5b2c7/1] a tool may print this",
            (REPORT, "[other-x5b2c7/1] a tool may print this"),
        ),
    ],
)
def test_each_line_goes_to_its_task(pod: str, line: str, printed: tuple[str, str] | None) -> None:
    seen: list[tuple[str, str]] = []
    pass_on = by_task(lambda task, text: seen.append((task, text)))
    assert pass_on is not None
    pass_on(pod, "runner", line)
    assert seen == ([] if printed is None else [printed])


def test_nobody_listens_where_nobody_wants_to() -> None:
    assert by_task(None) is None
