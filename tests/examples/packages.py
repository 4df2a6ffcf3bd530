"""What the examples need besides mcptasks, installed apart from it, once."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from mcptasks.model.base import JsonObject
from tests.support.environments import CACHE, ROOT, once, run

EXAMPLES = ROOT / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/server.py"))
"""The examples that are folders with all that a team would take."""


@dataclass(frozen=True)
class ExamplePackages:
    """An environment with the packages of all examples, and without mcptasks."""

    folder: Path

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    @property
    def site_packages(self) -> Path:
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def ffmpeg(self) -> str:
        """The one of the PATH, or the one that a package brings along."""
        return shutil.which("ffmpeg") or str(next(self.site_packages.glob("imageio_ffmpeg/binaries/ffmpeg-*")))


def local_templates(name: str) -> list[JsonObject]:
    """The templates that an example brings along for `mcptasks dev`."""
    return list(yaml.safe_load_all((EXAMPLES / name / "local.yaml").read_text()))


def requirements(file: Path) -> list[str]:
    """The lines of a file that are no comments."""
    lines = (line.strip() for line in file.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def installed() -> ExamplePackages:
    """All that the files `requirements.txt` name. Raises InstallError."""
    packages = ExamplePackages(CACHE / "examples")
    wanted = sorted({line for file in EXAMPLES.glob("*/requirements.txt") for line in requirements(file)})
    uv = [sys.executable, "-m", "uv"]

    def install() -> None:
        run([*uv, "venv", "-q", "--clear", "--python", sys.executable, str(packages.folder)])
        run([*uv, "pip", "install", "-q", "--python", packages.python, *wanted])

    once(packages.folder, wanted, install)
    return packages
