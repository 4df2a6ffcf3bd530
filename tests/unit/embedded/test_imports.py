"""The embedded cluster stands alone."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import importlib, pkgutil, sys
import mcptasks_embedded
for module in pkgutil.walk_packages(mcptasks_embedded.__path__, "mcptasks_embedded."):
    importlib.import_module(module.name)
print(*sorted(name for name in sys.modules if name.partition(".")[0] in {"mcptasks", "mcptasks_operator", "mcp"}))
"""


def test_all_of_it_is_imported_without_anything_of_mcptasks() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "\n")
