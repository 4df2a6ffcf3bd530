"""The client's distribution has what its commands and `mcptasks.client` import, and no file more."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

from tests.unit.repository.sources import ROOT

CLIENT = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text())
LARGEST_INSTALLATION = 25
LOADED = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*sorted(module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == "mcptasks"))
"""


def packaged() -> set[Path]:
    """Files of the wheel, below `server/`."""
    listed = CLIENT["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert all(source == f"../server/{target}" for source, target in listed.items())
    paths = [ROOT / "server" / target for target in listed.values()]
    return {file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])}


def test_the_wheel_has_what_its_modules_import_and_nothing_else() -> None:
    commands = [path.stem for path in packaged() if path.parent.name == "commands" and path.stem != "__init__"]
    assert commands
    wanted = ["mcptasks.client", "mcptasks.cli", *(f"mcptasks.cli.commands.{name}" for name in commands)]
    done = subprocess.run([sys.executable, "-c", LOADED, *wanted], capture_output=True, text=True, check=True)
    by_others = {ROOT / "server" / "mcptasks" / name for name in ("py.typed", "__main__.py", "tracing/sdk_tracing.py")}
    assert {Path(name) for name in done.stdout.split()} | by_others == packaged()


def test_the_client_asks_for_the_versions_that_the_whole_asks_for() -> None:
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(CLIENT["project"]["dependencies"]) <= set(whole["dependencies"])
    assert CLIENT["project"]["optional-dependencies"]["otel"] == whole["optional-dependencies"]["otel"]
    for key in ("license", "requires-python", "authors"):
        assert CLIENT["project"][key] == whole[key]


def test_the_client_asks_for_nothing_of_kubernetes() -> None:
    names = {Requirement(text).name for text in CLIENT["project"]["dependencies"]}
    assert not names & {"kubernetes", "kopf", "aiohttp", "mcp", "fastapi", "redis"}
