"""The programs of examples/from_fastmcp answer the same before, on FastMCP itself, as after; see tests/integration."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcptasks.client import Client
from tests.clients.__main__ import ENVIRONMENTS, PROGRAMS
from tests.clients.fastmcp_servers.server_program import serving
from tests.support.environments import virtual_environment
from tests.support.moved_programs import ANSWERS, USES, answer, copied

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    ("name", "version"), [("inventory", "fastmcp-3"), ("renaming", "fastmcp-3"), ("access_log", "fastmcp-4")]
)
async def test_a_program_for_fastmcp_answers_as_what_became_of_it(name: str, version: str, tmp_path: Path) -> None:
    program = next(program for program in PROGRAMS if program.name == version)
    python = virtual_environment(ENVIRONMENTS / program.environment, program.packages)
    script = copied(name, tmp_path) / "before.py"
    with serving([str(python), str(script)], tmp_path) as url:
        async with Client(url, on_elicitation=answer) as client:
            assert await USES[name](client, tmp_path) == ANSWERS[name]
