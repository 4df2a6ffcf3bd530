"""What is installed, and the commit that it was built from."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path

import mcptasks
from mcptasks.distribution import installed_distribution

BUILD_FILE = "build.json"
"""In the package that a wheel has installed; see `hatch_build.py`."""


@dataclass(frozen=True)
class InstalledBuild:
    """A distribution in this environment."""

    name: str
    version: str
    commit: str | None
    """Of the sources: as built, or as checked out where the installation is editable. None if nobody knows."""


def installed_build() -> InstalledBuild:
    """What is installed; asks git for the commit of an editable installation."""
    found = installed_distribution()
    return InstalledBuild(found.metadata["Name"], found.version, _commit(found, Path(mcptasks.__file__).parent))


def _commit(found: Distribution, package: Path) -> str | None:
    note = package / BUILD_FILE
    if note.exists():
        return str(json.loads(note.read_text())["commit"])
    # Somebody's project may keep its environment in a repository of its own, whose commit says nothing of ours.
    return _checked_out(package) if is_editable(found.read_text("direct_url.json")) else None


def is_editable(direct_url: str | None) -> bool:
    """Whether a distribution's `direct_url.json` (PEP 610) says that its sources are used where they are."""
    return direct_url is not None and bool(json.loads(direct_url).get("dir_info", {}).get("editable"))


def _checked_out(folder: Path) -> str | None:
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
