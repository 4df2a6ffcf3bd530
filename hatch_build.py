"""What a build says of itself: version, commit, addresses. Hatchling runs this file when it makes a wheel or an sdist.

The version comes from git's tags (`v1.2.3`), and where there are none, from the newest release in the changelog.
`MCPTASKS_VERSION` and `MCPTASKS_COMMIT` say it instead where there is no repository, as in an image's build.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

ROOT = Path(__file__).parent
COMMIT_FILE = ".commit"
"""In an sdist: the commit that it was made from."""


class Described(NamedTuple):
    """What git says of a tree. No dataclass: Hatchling runs this file without making a module of it."""

    commit: str | None = None
    tag: str | None = None
    distance: int = 0
    """Commits since the tag, or since the first one."""

    changed: bool = False
    """Whether files differ from the commit."""


def version() -> str:
    """The version to build, for `[tool.hatch.version]`."""
    said = os.environ.get("MCPTASKS_VERSION")
    return said or version_of(described(), (ROOT / "CHANGELOG.md").read_text())


def version_of(found: Described, changelog: str) -> str:
    """The version that a tag names; between two tags, a development version of the next one, with the commit."""
    released = found.tag.removeprefix("v") if found.tag else newest_release(changelog)
    if found.tag and not found.distance and not found.changed:
        return released
    major, minor, patch = (int(part) for part in released.split("."))
    local = f"+g{found.commit[:9]}" if found.commit else ""
    return f"{major}.{minor}.{patch + 1}.dev{found.distance}{local}"


def newest_release(changelog: str) -> str:
    """The first version in the changelog that has a number."""
    headings = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.MULTILINE)
    return str(headings[0]) if headings else "0.0.0"


def described() -> Described:
    """What git or, in an archive made by git, its note says of this tree."""
    if (ROOT / ".git").exists():
        return _asked_of_git()
    archival = ROOT / ".git_archival.txt"
    return of_archive(archival.read_text()) if archival.exists() else Described(_noted_commit())


def of_archive(note: str) -> Described:
    """What `git archive` has put into its note; nothing, if the note came here by another way."""
    values = dict(re.findall(r"^([\w-]+): *(\S+)$", note, re.MULTILINE))
    commit = values.get("node", "")
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        return Described()
    return of_description(values.get("describe-name", ""), commit)


def of_description(text: str, commit: str, *, count: int = 0, changed: bool = False) -> Described:
    """What `git describe` has printed, which is nothing without a tag; `count` is the number of all commits."""
    parts = re.fullmatch(r"(v\d+\.\d+\.\d+)(?:-(\d+)-g[0-9a-f]+)?", text)
    if parts is None:
        return Described(commit, distance=count, changed=changed)
    return Described(commit, parts[1], int(parts[2] or 0), changed)


def build_commit() -> str | None:
    """The commit that is built, if it is known."""
    return os.environ.get("MCPTASKS_COMMIT") or described().commit


def absolute_links(readme: str, repository: str, ref: str) -> str:
    """The text with links into the repository as addresses, which a package index can follow, and pictures as files."""
    readme = re.sub(r"(?<=!\[)([^]]*\]\()(?!https?:)([^)\s]+)(?=\))", rf"\1{repository}/raw/{ref}/\2", readme)
    return re.sub(r"(?<=\]\()(?!https?:|mailto:|#)([^)\s]+)(?=\))", rf"{repository}/blob/{ref}/\1", readme)


def addresses(repository: str) -> dict[str, str]:
    """What a package index shows as links."""
    pages = {
        "Documentation": "blob/main/docs/README.md",
        "Changelog": "blob/main/CHANGELOG.md",
        "Issues": "issues",
        "Security": "blob/main/SECURITY.md",
    }
    return {"Homepage": repository, "Source": repository, **{name: f"{repository}/{at}" for name, at in pages.items()}}


class CustomMetadataHook(MetadataHookInterface):
    """Readme and addresses of the repository that `MCPTASKS_REPOSITORY` or the hook's `repository` names."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Hatchling's: add what `dynamic` announces."""
        repository = os.environ.get("MCPTASKS_REPOSITORY") or self.config["repository"]
        readme = (Path(self.root) / "README.md").read_text()
        ref = f"v{metadata['version']}" if re.fullmatch(r"[\d.]+", metadata["version"]) else "main"
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute_links(readme, repository, ref)}
        metadata["urls"] = addresses(repository)


class CustomBuildHook(BuildHookInterface[Any]):
    """Puts the commit into what is built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Hatchling's: before each target. An editable installation asks git when it is asked itself."""
        commit = build_commit()
        if commit is None or version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory()
        note = Path(self._folder.name) / "commit"
        inside = COMMIT_FILE if self.target_name == "sdist" else "mcptasks/build.json"
        note.write_text(commit if self.target_name == "sdist" else json.dumps({"commit": commit}))
        build_data["force_include"][str(note)] = inside

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Hatchling's: after each target."""
        folder = getattr(self, "_folder", None)
        if folder is not None:
            folder.cleanup()


def _asked_of_git() -> Described:
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return Described(_noted_commit())
    text = _git("describe", "--tags", "--match", "v[0-9]*.[0-9]*.[0-9]*") or ""
    changed = bool(_git("status", "--porcelain", "--untracked-files=no"))
    return of_description(text, commit, count=int(_git("rev-list", "--count", "HEAD") or 0), changed=changed)


def _git(*words: str) -> str | None:
    """What git prints; None if there is no git or it fails, for example over the owner of the folder."""
    environment: Mapping[str, str] = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True, env=environment)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _noted_commit() -> str | None:
    note = ROOT / COMMIT_FILE
    return note.read_text().strip() if note.exists() else None
