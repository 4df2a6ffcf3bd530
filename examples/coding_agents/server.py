"""Tools for coding agents: search a whole repository at any commit, and run its tests with a patch.

Repositories are in a folder that is only read; each test run has a checkout of its own, which goes with its Pod.
README.md says how to run it here and in a cluster.
"""

import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated
from xml.etree import ElementTree

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from mcptasks import Depends, TaskConfig, TaskServer, progress

mcp = TaskServer("coding-agents")

REPOSITORIES = Path(os.environ.get("REPOSITORIES", "/repositories"))
MOST_MATCHES = 200
WIDEST_LINE = 300
LONGEST_REASON = 4000
NO_TESTS = 5

Repository = Annotated[str, Field(pattern=r"^[\w.-]+$", description="A name that list_repositories gives.")]
Revision = Annotated[str, Field(pattern=r"^[\w./][\w./~^@-]*$", description="A commit, branch or tag.")]


class Match(BaseModel):
    """A line that fits."""

    path: str
    line: int
    text: str


class SearchResult(BaseModel):
    """What was found in which commit."""

    commit: str
    matches: list[Match]
    is_complete: bool = Field(description=f"Whether these are all matches; no more than {MOST_MATCHES} are given.")


class FailedTest(BaseModel):
    """A test that does not pass, and what pytest says of it."""

    test: str
    reason: str


class TestReport(BaseModel):
    """What came of the tests."""

    commit: str
    passed: int
    skipped: int
    failed: list[FailedTest]


@mcp.tool()
def list_repositories() -> list[str]:
    """The repositories that there are."""
    return sorted(path.name for path in REPOSITORIES.iterdir() if (path / ".git").exists() or (path / "HEAD").exists())


@mcp.tool(task=TaskConfig(template="search", timeout=60, idempotent=True))
def search(
    repository: Repository,
    pattern: Annotated[str, Field(min_length=1, description="An extended regular expression.")],
    paths: Annotated[
        list[str] | None, Field(description="Only here, such as src/*.py; everywhere where unset.")
    ] = None,
    revision: Revision = "HEAD",
) -> SearchResult:
    """Search all files of a repository, as they are in a commit."""
    commit = commit_of(repository, revision)
    words = ["grep", "--null", "--line-number", "-I", "--extended-regexp", "-e", pattern, commit, "--", *(paths or ())]
    lines = git(repository, *words, fine=(0, 1)).decode(errors="replace").splitlines()
    matches = [match_of(line, commit) for line in lines[:MOST_MATCHES]]
    return SearchResult(commit=commit, matches=matches, is_complete=len(lines) <= MOST_MATCHES)


def match_of(line: str, commit: str) -> Match:
    """What a line of `git grep --null` says: commit and path, number, text."""
    path, number, text = line.split("\0", 2)
    return Match(path=path.removeprefix(f"{commit}:"), line=int(number), text=text[:WIDEST_LINE])


def checkout() -> Iterator[Path]:
    """An empty folder of the call's own."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "checkout"


@mcp.tool(task=TaskConfig(template="tests", without_tasks="wait", timeout=1800, max_concurrent=10, idempotent=True))
def run_tests(
    repository: Repository,
    revision: Revision = "HEAD",
    patch: Annotated[str | None, Field(description="A diff as git writes it, applied before the tests run.")] = None,
    selection: Annotated[list[str] | None, Field(description="Files or ids of tests; all where unset.")] = None,
    folder: Path = Depends(checkout),
) -> TestReport:
    """Run a repository's tests with pytest at a commit, with a patch if there is one. The repository stays as it is."""
    if wrong := [name for name in selection or () if name.startswith("-")]:
        raise ToolError(f"{wrong[0]} is no test")
    commit = commit_of(repository, revision)
    progress(0, 100, f"checking out {commit[:10]}")
    with tarfile.open(fileobj=io.BytesIO(git(repository, "archive", commit))) as archive:
        archive.extractall(folder, filter="data")
    if patch is not None:
        apply_patch(folder, patch)
    report = folder.with_suffix(".xml")
    run_pytest(folder, report, selection or ())
    return report_of(report, commit)


def commit_of(repository: str, revision: str) -> str:
    """The commit's hash. Raises ToolError where there is no such repository or revision."""
    if repository not in list_repositories():
        raise ToolError(f"There is no repository {repository}")
    return git(repository, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").decode().strip()


def git(repository: str, *words: str, fine: Sequence[int] = (0,)) -> bytes:
    """What git prints. Raises ToolError, with what it says, unless it ends with a fine exit code."""
    # The folder belongs to another user: whoever keeps the repositories up to date.
    command = ["git", "-c", "safe.directory=*", "-C", str(REPOSITORIES / repository), *words]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode not in fine:
        said = done.stderr.decode(errors="replace").strip()
        raise ToolError(said or f"git {words[0]} finds no {words[-1].removesuffix('^{commit}')}")
    return done.stdout


def apply_patch(folder: Path, patch: str) -> None:
    """Raises ToolError, with git's words, where the patch does not fit."""
    # Without the ceiling git would look for a repository around the folder.
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
    done = subprocess.run(
        ["git", "apply", "-"], cwd=folder, env=environment, input=patch.encode(), capture_output=True, check=False
    )
    if done.returncode:
        raise ToolError(f"The patch does not fit: {done.stderr.decode(errors='replace').strip()}")


def run_pytest(folder: Path, report: Path, selection: Sequence[str]) -> None:
    """Run the tests; their output is in the task's log. Raises ToolError where pytest cannot run them."""
    options = ["-v", "--color=no", "-p", "no:cacheprovider", f"--rootdir={folder}", f"--junitxml={report}"]
    # The tests are anybody's code: they see nothing of this process's variables.
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    last: deque[str] = deque(maxlen=10)
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, "--", *selection],
        cwd=folder,
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                print(line, end="", flush=True)
                last.append(line)
                if found := re.match(r"(\S+) [A-Z]+ .*\[ *(\d+)%\]$", line.rstrip()):
                    progress(int(found[2]), 100, found[1])
        except BaseException:
            process.kill()
            raise
    if process.returncode == NO_TESTS:
        raise ToolError("There are no such tests")
    if process.returncode not in (0, 1):
        raise ToolError(f"pytest cannot run the tests:\n{''.join(last)}")


def report_of(report: Path, commit: str) -> TestReport:
    """What pytest's report in JUnit's format says."""
    cases = list(ElementTree.parse(report).iter("testcase"))
    failed = [
        FailedTest(test=f"{case.get('classname')}::{case.get('name')}", reason=(problem.text or "")[-LONGEST_REASON:])
        for case in cases
        for problem in [*case.findall("failure"), *case.findall("error")][:1]
    ]
    skipped = sum(case.find("skipped") is not None for case in cases)
    return TestReport(commit=commit, passed=len(cases) - skipped - len(failed), skipped=skipped, failed=failed)
