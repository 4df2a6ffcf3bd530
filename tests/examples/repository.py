"""A small repository, as those that coding agents work on: a function, its tests, and a patch that breaks it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

FILES = {
    "shop/__init__.py": "",
    "shop/prices.py": (
        "def total(cents):\n"
        '    """The sum of all prices."""\n'
        "    return sum(cents)\n"
        "\n"
        "\n"
        "def discounted(cents, percent):\n"
        "    return cents * (100 - percent) // 100\n"
    ),
    "tests/test_prices.py": (
        "import pytest\n"
        "\n"
        "from shop.prices import discounted, total\n"
        "\n"
        "\n"
        "def test_total():\n"
        "    assert total([100, 250]) == 350\n"
        "\n"
        "\n"
        "def test_discounted():\n"
        "    assert discounted(1000, 15) == 850\n"
        "\n"
        "\n"
        '@pytest.mark.skip(reason="to do")\n'
        "def test_taxes():\n"
        "    raise NotImplementedError\n"
    ),
    "conftest.py": "import sys\n\nsys.path.insert(0, '.')\n",
    # What no release is to have is there all the same when the tests run.
    ".gitattributes": "/conftest.py export-ignore\n",
    "notes.txt": "a form feed\fis no end of a line\n" + "many\n" * 300,
}
BREAKING_PATCH = """\
diff --git a/shop/prices.py b/shop/prices.py
--- a/shop/prices.py
+++ b/shop/prices.py
@@ -6,2 +6,2 @@ def total(cents):
 def discounted(cents, percent):
-    return cents * (100 - percent) // 100
+    return cents - percent
"""
FAILING_PATCH = """\
diff --git a/test_many.py b/test_many.py
new file mode 100644
--- /dev/null
+++ b/test_many.py
@@ -0,0 +1,4 @@
+import pytest
+@pytest.mark.parametrize("number", range(30))
+def test_it(number):
+    assert not number
"""


def make_repository(folder: Path) -> None:
    """The repository with one commit, on the branch `main`."""
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "-q", "-m", "Begin")


def make_bare(source: Path, target: Path) -> None:
    """The same repository, without a working tree."""
    git(source, "clone", "-q", "--bare", ".", str(target))


def git(folder: Path, *words: str) -> None:
    """Run git; the developer's own settings of it mean nothing here."""
    assert shutil.which("git"), "the tests of the examples need git"
    environment = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", *words], cwd=folder, env=environment, check=True)
