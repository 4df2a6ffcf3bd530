"""Python in the documentation runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"
PAGES = (
    "tools.md",
    "dependencies.md",
    "input.md",
    "tracing.md",
    "warm.md",
    "for/ml-and-data-teams.md",
    "for/server-authors.md",
    "for/client-authors.md",
    "how-to/gpu.md",
    "how-to/secrets.md",
    "how-to/ask-the-user.md",
    "how-to/large-results.md",
    "how-to/connect-clients.md",
)
FOREIGN = re.compile(r"^from (agents|langchain_mcp_adapters|pydantic_ai)\b", re.MULTILINE)
"""Clients that are installed apart from ours; tests/clients runs them."""


def runs_here(code: str) -> bool:
    return not FOREIGN.search(code)


def snippets() -> list[object]:
    return [
        pytest.param(code, id=f"{page}-{number}")
        for page in PAGES
        for number, code in enumerate(re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL))
        if runs_here(code)
    ]


@pytest.mark.parametrize("code", snippets())
def test_a_snippet_runs(code: str) -> None:
    exec(compile(code, "snippet", "exec"), {"__name__": "snippet"})
