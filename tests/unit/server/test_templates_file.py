"""The templates that components name: the file that gets them, and what is said of those that nobody can make."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcptasks.server.server_process import told_of_template_name, write_templates
from mcptasks.server.start_errors import StartError


def test_it_has_a_name_a_line(tmp_path: Path) -> None:
    write_templates(tmp_path / "templates", ["default", "gpu"])
    assert (tmp_path / "templates").read_text() == "default\ngpu\n"


def test_one_that_cannot_be_written_is_told_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "templates"
    with pytest.raises(StartError, match=f"cannot write the templates to {path}: No such file or directory"):
        write_templates(path, ["default"])


def test_a_name_that_no_template_can_have_is_told_with_what_gives_it_and_what_would_do() -> None:
    assert told_of_template_name("My_GPU", ["tool 'train'"]) == (
        "tool 'train': no McpTaskTemplate can be called 'My_GPU', so that tasks which name it fail. In "
        "TaskConfig(template=...) give a name of up to 253 lower-case letters, digits, `-` and `.`, with a letter or a "
        "digit at both ends and beside each dot"
    )
    assert told_of_template_name("x_", ["tool 'a'", "tool 'b'", "prompt 'c'"]).startswith(
        "tool 'a', tool 'b' and prompt 'c': no McpTaskTemplate"
    )
