"""Container logs on disk."""

from __future__ import annotations

from pathlib import Path

from mcptasks_embedded.node.container_log import LINE_LIMIT, ContainerLog


def test_log_keeps_the_newest_output(tmp_path: Path) -> None:
    log = ContainerLog(tmp_path / "0.log", limit=8 * LINE_LIMIT)
    for index in range(20_000):
        log.write(f"line {index}\n".encode())
    log.close()
    data, position = log.read_from(0)
    assert len(data) <= 8 * LINE_LIMIT
    assert data.endswith(b"line 19999\n")
    assert log.read_from(position) == (b"", position)
    assert log.last_output().endswith("line 19998\nline 19999\n")
    assert len(log.last_output()) <= 2048


def test_long_and_unfinished_lines(tmp_path: Path) -> None:
    seen: list[str] = []
    log = ContainerLog(tmp_path / "0.log", on_line=seen.append)
    log.write(b"x" * (LINE_LIMIT + 5))
    log.write(b"\nprogress\r50%\r")
    log.close()
    assert log.last_output().endswith("xxxxx\nprogress\r50%\r")
    assert [len(line) for line in seen] == [LINE_LIMIT, 5, 13]
