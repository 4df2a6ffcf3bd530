"""A small repository, as those that coding agents work on: a function, its tests, and a patch that breaks it."""

from __future__ import annotations

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


def make_repository(folder: Path) -> None:
    """The repository with one commit, on the branch `main`."""
    for name, content in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-q", "-m", "Begin"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
