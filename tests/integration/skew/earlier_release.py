"""The sources of the earlier release, out of git's history."""

from __future__ import annotations

import subprocess
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from tests.support.readme import ROOT

NEWS = "Warm"
"""What the changelog of 0.1.0 does not know."""

NO_HISTORY = (
    "THE EARLIER RELEASE IS NOT HERE, and what it does beside this one was not tried: {why}. "
    "It comes out of git's history: clone the repository, all of it (`git fetch --unshallow`)"
)


class NoHistoryError(AssertionError):
    """There is no repository, or not all of it."""


@dataclass(frozen=True)
class EarlierRelease:
    """An unpacked tree of the repository."""

    folder: Path
    commit: str

    @property
    def python_path(self) -> str:
        """What makes an interpreter import this release instead of ours."""
        return ":".join(str(self.folder / name) for name in ("server", "operator", "embedded"))


def commit_of_0_1_0() -> str:
    """The tag, or the last commit before the changelog knew warm execution.

    Raises:
        NoHistoryError: git has neither.
    """
    if tag := _git("rev-parse", "--verify", "--quiet", "v0.1.0^{commit}"):
        return tag
    if _git("rev-parse", "--is-shallow-repository") != "false":
        raise NoHistoryError(NO_HISTORY.format(why="this is no repository, or one without its history"))
    found = _git("log", "--format=%H", "--reverse", f"-S{NEWS}", "--", "CHANGELOG.md").split()
    commit = _git("rev-parse", f"{found[0]}^") if found else ""
    if not commit:
        raise NoHistoryError(NO_HISTORY.format(why=f"no commit brought {NEWS!r} into the changelog"))
    return commit


def unpack(commit: str, folder: Path) -> EarlierRelease:
    """Write the sources of a commit into the folder."""
    done = subprocess.run(["git", "archive", commit, "server", "operator", "embedded"], cwd=ROOT, capture_output=True)
    if done.returncode:
        raise NoHistoryError(NO_HISTORY.format(why=done.stderr.decode().strip()))
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return EarlierRelease(folder, commit)


def _git(*words: str) -> str:
    """What git prints; nothing where it fails."""
    try:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


if __name__ == "__main__":
    print(commit_of_0_1_0())
