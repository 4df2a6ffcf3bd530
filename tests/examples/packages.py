"""What the examples need besides mcptasks, installed apart from it, once."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.support.environments import CACHE, ROOT, virtual_environment

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


def requirements(file: Path) -> list[str]:
    """The lines of a file that are no comments."""
    lines = (line.strip() for line in file.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def in_a_shell(packages: ExamplePackages, folder: Path) -> dict[str, str]:
    """Variables with which a shell has Python, its packages and ffmpeg as the pages of the examples presuppose them.

    The folder gets what they need. What mcptasks brings along itself is taken before the packages.
    """
    (folder / "sitecustomize.py").write_text(f"import sys\n\nsys.path.append({str(packages.site_packages)!r})\n")
    (folder / "ffmpeg").symlink_to(packages.ffmpeg())
    path = os.pathsep.join([str(folder), str(packages.folder / "bin"), os.environ["PATH"]])
    return {"PATH": path, "PYTHONPATH": str(folder)}


def installed() -> ExamplePackages:
    """All that the files `requirements.txt` name. Raises InstallError."""
    folder = CACHE / "examples"
    wanted = sorted({line for file in EXAMPLES.glob("*/requirements.txt") for line in requirements(file)})
    virtual_environment(folder, wanted)
    return ExamplePackages(folder)


if __name__ == "__main__":
    installed()
