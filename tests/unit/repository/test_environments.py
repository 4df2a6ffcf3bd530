"""Foreign programs are installed once, tried twice, and a failure says what happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import environments
from tests.support.environments import InstallError


def test_a_failed_installation_is_tried_once_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tries: list[list[Path]] = []

    def install() -> None:
        tries.append(list((tmp_path / "env").iterdir()))
        (tmp_path / "env" / "half").touch()
        if len(tries) == 1:
            raise InstallError("no registry")

    for _ in range(2):
        environments.once(tmp_path / "env", ["package"], install)
    # The second try began again, and the second call found what the first one had installed.
    assert tries == [[], []]
    assert "no registry\ntrying once more" in capsys.readouterr().err


def test_one_that_fails_twice_is_an_error_and_leaves_no_stamp(tmp_path: Path) -> None:
    def install() -> None:
        raise InstallError("no registry")

    for _ in range(2):
        with pytest.raises(InstallError, match="no registry"):
            environments.once(tmp_path / "env", ["package"], install)


def test_a_command_that_takes_too_long_is_named_with_what_it_said() -> None:
    command = ["sh", "-c", "echo fetching; exec sleep 600"]
    with pytest.raises(InstallError, match=r"was not done within 5 s:\nfetching"):
        environments.run(command, seconds=5)
