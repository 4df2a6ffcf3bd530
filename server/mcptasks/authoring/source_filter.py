"""Which changed files are the developer's own code."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

SUFFIXES = (".py", ".pyx", ".pyd")

FOREIGN_DIRECTORIES = (
    ".*",
    "*.egg-info",
    "__pycache__",
    "__pypackages__",
    "build",
    "dist",
    "node_modules",
    "site-packages",
    "venv",
)
"""Names of directories with what was installed, built or cached."""

ENVIRONMENTS = ("pyvenv.cfg", "conda-meta")
"""What each virtual environment has, and each of conda, whatever its directory is called."""


class SourceFilter:
    """Tells the code below some directories from what others have put there.

    What the path to such a directory itself looks like makes no difference: `~/build/tools` can be worked in, too.
    """

    def __init__(self, directories: Iterable[Path]) -> None:
        self._directories = [directory.resolve() for directory in directories]

    def __call__(self, _change: object, path: str) -> bool:
        """Whether a change of that file, by its absolute path, matters: the filter of `watchfiles`."""
        file = Path(path)
        return file.suffix in SUFFIXES and not file.name.startswith(".") and self._is_own(file)

    def _is_own(self, file: Path) -> bool:
        return any(
            self._has_own_directories(directory, file.relative_to(directory).parts[:-1])
            for directory in self._directories
            if file.is_relative_to(directory)
        )

    def _has_own_directories(self, directory: Path, parts: tuple[str, ...]) -> bool:
        for part in parts:
            directory = directory / part
            if any(fnmatch(part, foreign) for foreign in FOREIGN_DIRECTORIES) or _is_environment(directory):
                return False
        return True


def _is_environment(directory: Path) -> bool:
    return any((directory / mark).exists() for mark in ENVIRONMENTS)
