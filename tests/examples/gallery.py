"""What the pages of the examples show: calls, and what they print."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.examples.packages import EXAMPLES

URL = "http://127.0.0.1:8000/mcp"
SECONDS = 120
_CALL = re.compile(r"^```sh\n(mcptasks call [^\n]*)\n```\n\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HERE = re.compile(r"^## Here\n.*?^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\|[^|]*\((\w+)/README\.md\)[^|]*\|[^|]*\| `([^`]+)` \| `([^`]+)`", re.MULTILINE)


def shown(name: str) -> Iterator[tuple[str, str, str]]:
    """Command, language and text of what follows it, on the example's page and in its row of the gallery."""
    yield from _CALL.findall((EXAMPLES / name / "README.md").read_text())
    for example, call, printed in _ROW.findall((EXAMPLES / "README.md").read_text()):
        if example == name:
            yield f"mcptasks call {URL} {call}", "text", printed


def shown_here(name: str) -> list[str]:
    """The commands of the page that serve the example on one machine, those apart that install packages."""
    (found,) = _HERE.findall((EXAMPLES / name / "README.md").read_text())
    return [line for line in found.splitlines() if not line.startswith("pip install ")]


def check_page(name: str, url: str, folder: Path) -> None:
    """Run all calls of the page in the folder, and find what the page says that they print."""
    found = list(shown(name))
    assert len(found) >= 2, "a call on the page, and one in the gallery"
    for command, language, text in found:
        words = shlex.split(command.replace(URL, url))
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert done.returncode == 0, done.stderr
        if language == "json":
            assert alike(json.loads(text), json.loads(done.stdout)), done.stdout
        else:
            assert squeezed(text) in squeezed(done.stdout + done.stderr), done.stdout


def squeezed(text: str) -> str:
    return "".join(text.split())


def alike(one: object, other: object) -> bool:
    """The same, up to what another processor computes otherwise."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(alike(*pair) for pair in zip(one, other, strict=True))
    return one == (pytest.approx(other, abs=0.02) if isinstance(other, float) else other)
