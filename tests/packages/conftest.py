"""The wheels as `make wheels` builds them, and environments that have nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.readme import ROOT


@dataclass(frozen=True)
class BuiltWheels:
    """What a release uploads."""

    whole: Path
    client: Path
    source: Path


@dataclass(frozen=True)
class EmptyEnvironment:
    """A virtual environment that was made for one wheel."""

    folder: Path

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, outside the repository."""
        program = str(self.folder / "bin" / words[0])
        return subprocess.run([program, *words[1:]], cwd=self.folder, capture_output=True, text=True, timeout=240)

    def packages(self) -> set[str]:
        """Names of all that is installed."""
        listed = uv("pip", "list", "--format", "json", "--python", self.python)
        return {entry["name"] for entry in json.loads(listed)}


Install = Callable[[Path, str], EmptyEnvironment]


def uv(*words: str) -> str:
    """What uv prints."""
    done = subprocess.run([sys.executable, "-m", "uv", *words], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return done.stdout


def interpreters(config: pytest.Config) -> list[str]:
    """The one that runs the tests, and those that `--pythons` names."""
    named = [shutil.which(name) or name for name in config.getoption("--pythons").split()]
    return [sys.executable, *named]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "interpreter" in metafunc.fixturenames:
        metafunc.parametrize("interpreter", interpreters(metafunc.config), scope="session")


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> BuiltWheels:
    """Both wheels and the sdist, from this tree."""
    folder = tmp_path_factory.mktemp("wheels")
    for project, targets in ((ROOT, ["sdist", "wheel"]), (ROOT / "client", ["wheel"])):
        chosen = [word for target in targets for word in ("-t", target)]
        subprocess.run([sys.executable, "-m", "hatchling", "build", *chosen, "-d", folder], cwd=project, check=True)
    return BuiltWheels(
        next(folder.glob("mcptasks-*.whl")),
        next(folder.glob("mcptasks_client-*.whl")),
        next(folder.glob("mcptasks-*.tar.gz")),
    )


@pytest.fixture(scope="session")
def install(tmp_path_factory: pytest.TempPathFactory) -> Install:
    """Makes an environment of an interpreter with one wheel in it, and what the wheel asks for."""
    made: dict[tuple[Path, str], EmptyEnvironment] = {}

    def installed(wheel: Path, interpreter: str) -> EmptyEnvironment:
        if (wheel, interpreter) not in made:
            folder = tmp_path_factory.mktemp("environment") / "venv"
            uv("venv", "-q", "--python", interpreter, str(folder))
            environment = EmptyEnvironment(folder)
            uv("pip", "install", "-q", "--compile-bytecode", "--python", environment.python, str(wheel))
            made[wheel, interpreter] = environment
        return made[wheel, interpreter]

    return installed
