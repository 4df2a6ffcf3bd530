"""Foreign programs that tests talk to, installed apart from ours: virtual environments and folders of npm packages.

All of it lies in `.cache` of the checkout and is installed once; a changed list of packages installs it again.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache"

NODE_MAJOR = 22
INSTALL_SECONDS = 900
"""For slow machines and slow registries; what is installed once stays."""

ATTEMPTS = 2


class InstallError(Exception):
    """A foreign program cannot be installed; the message says what is missing."""


def virtual_environment(folder: Path, requirements: Sequence[str]) -> Path:
    """The Python of a virtual environment with the packages in it. Raises InstallError."""
    python = folder / "bin" / "python"

    def install() -> None:
        run([sys.executable, "-m", "venv", str(folder)])
        run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *requirements])

    once(folder, requirements, install)
    return python


def npm_packages(folder: Path, packages: Sequence[str]) -> Path:
    """The `node_modules` of a folder with the packages in it. Raises InstallError."""

    def install() -> None:
        (folder / "package.json").write_text('{"private": true, "type": "module"}\n')
        npm = shutil.which("npm")
        if npm is None:
            raise InstallError("npm is not on the PATH: install Node.js with npm")
        run([npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), *packages])

    once(folder, packages, install)
    return folder / "node_modules"


def node() -> Path:
    """A Node.js that is new enough: the one on the PATH, or one from npm. Raises InstallError."""
    found = shutil.which("node")
    if found is not None and _major(found) >= NODE_MAJOR:
        return Path(found)
    system = {"Linux": "linux", "Darwin": "darwin"}.get(platform.system(), "unknown")
    machine = {"x86_64": "x64", "AMD64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "unknown")
    package = f"node-{system}-{machine}"
    return npm_packages(CACHE / "node", [f"{package}@{NODE_MAJOR}"]) / package / "bin" / "node"


def _major(program: str) -> int:
    version = re.match(r"v(\d+)", run([program, "--version"]))
    return int(version.group(1)) if version else 0


def once(folder: Path, packages: Sequence[str], install: Callable[[], None]) -> None:
    """Install unless the very same list was installed before; a broken installation is made again."""
    stamp = folder / ".installed"
    wanted = "\n".join([platform.python_version(), *packages])
    if stamp.exists() and stamp.read_text() == wanted:
        return
    for attempt in range(1, ATTEMPTS + 1):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            install()
            break
        except InstallError as error:
            if attempt == ATTEMPTS:
                raise
            print(f"{error}\ntrying once more", file=sys.stderr)
    stamp.write_text(wanted)


def run(command: list[str], seconds: float = INSTALL_SECONDS) -> str:
    """What the command prints. Raises InstallError, with all that it printed, where it fails or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        said = "".join(_text(part) for part in (error.stdout, error.stderr))
        raise InstallError(f"{' '.join(command)} was not done within {seconds:.0f} s:\n{said}") from None
    if done.returncode:
        raise InstallError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
