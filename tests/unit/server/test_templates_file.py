"""The file that gets the templates which components name."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcptasks.server.server_process import write_templates
from mcptasks.server.start_errors import StartError


def test_it_has_a_name_a_line(tmp_path: Path) -> None:
    write_templates(tmp_path / "templates", ["default", "gpu"])
    assert (tmp_path / "templates").read_text() == "default\ngpu\n"


def test_one_that_cannot_be_written_is_told_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "templates"
    with pytest.raises(StartError, match=f"cannot write the templates to {path}: No such file or directory"):
        write_templates(path, ["default"])
