"""Which Chromium the tests drive: the system's own. Playwright's builds are downloads of its own."""

from __future__ import annotations

import os
import shutil
import sys
from subprocess import DEVNULL, run

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
VARIABLE = "CHROMIUM"
HOW = f"install one (`apt-get install chromium` on Debian), or name it with {VARIABLE}=path"


def chromium() -> str | None:
    """The path of a Chromium; None where there is none."""
    named = os.environ.get(VARIABLE)
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


def install() -> int:
    """Have one: Debian's, where this machine's packages are ours to install."""
    if chromium() is not None:
        return 0
    if os.geteuid() == 0 and shutil.which("apt-get"):
        apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120"]
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
            run([*apt, *words], check=False, stdin=DEVNULL, stdout=DEVNULL, env=environment)
    if chromium() is None:
        sys.stderr.write(f"there is no Chromium: {HOW}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(install())
