"""Files whose own name does not import them, as modules below this one: `mcptasks.authoring.user_files./folder/file`.

The processes that multiprocessing spawns find functions by the names of their modules. A file called `random.py` is not
found by its own name, because another module has it; the name that it gets here finds it in any interpreter.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from urllib.parse import quote, unquote

USER_FILES = __name__

__path__: list[str] = []
"""Python imports modules only below those that have a path."""


def name_of_file(file: Path) -> str:
    """The name that imports the file, an absolute path that ends with `.py`."""
    # What quote leaves of dots would end the name of a package.
    return f"{USER_FILES}.{quote(str(file.with_suffix(''))).replace('.', '%2E')}"


class FileFinder(MetaPathFinder):
    """Finds the file that a name was made of."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of the file; None for other names, and where there is no such file."""
        parent, _, quoted = fullname.rpartition(".")
        file = Path(f"{unquote(quoted)}.py")
        return spec_from_file_location(fullname, file) if parent == USER_FILES and file.is_file() else None


sys.meta_path.append(FileFinder())
