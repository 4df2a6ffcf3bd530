"""Tools for coding agents: search a whole repository at any commit, and run its tests with a patch.

Repositories are in a folder that is only read; each test run has a checkout of its own, which goes with its Pod.
README.md says how to run it here and in a cluster.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Annotated
from xml.etree import ElementTree

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from mcptasks import Depends, TaskConfig, TaskServer, progress

mcp = TaskServer("coding-agents")

REPOSITORIES = Path(os.environ.get("REPOSITORIES", "/repositories"))
# Together less than the 1 MiB that a result may have without Redis.
MOST_MATCHES = 200
MOST_REASONS = 20
MOST_NAMES = 500
WIDEST_LINE = 300
LONGEST_REASON = 4000
NO_TESTS = 5

# The folder belongs to another user: whoever keeps the repositories up to date. Programs that these name do not run.
GIT = ["git", "-c", "safe.directory=*", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"]
GIT_VARIABLES = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

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
    failed: int
    reasons: list[FailedTest] = Field(description=f"The first {MOST_REASONS} that failed.")
    further: list[str] = Field(description=f"Others that failed, {MOST_NAMES} at most.")


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
    options = ["--null", "--line-number", "--no-color", "--no-column", "-I", "--extended-regexp"]
    with closing(grep(repository, *options, "-e", pattern, commit, "--", *(paths or ()))) as lines:
        matches = [match_of(line, commit) for line in islice(lines, MOST_MATCHES + 1)]
    return SearchResult(commit=commit, matches=matches[:MOST_MATCHES], is_complete=len(matches) <= MOST_MATCHES)


def grep(repository: str, *words: str) -> Generator[bytes, None, None]:
    """The lines of git grep, which ends when no more are wanted. Raises ToolError, with what it says, if it fails."""
    command = [*GIT, "-C", str(REPOSITORIES / repository), "grep", *words]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(command, env=os.environ | GIT_VARIABLES, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        assert process.stdout is not None
        try:
            yield from process.stdout
        except BaseException:
            process.kill()
            raise
        if process.wait() not in (0, 1):
            errors.seek(0)
            raise ToolError(errors.read().decode(errors="replace").strip())


def match_of(line: bytes, commit: str) -> Match:
    """What a line of `git grep --null` says: commit and path, number, text."""
    path, number, text = line.decode(errors="replace").removesuffix("\n").split("\0", 2)
    return Match(path=path.removeprefix(f"{commit}:"), line=int(number), text=text[:WIDEST_LINE])


def checkout() -> Iterator[Path]:
    """An empty folder of the call's own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkout"
        path.mkdir()
        yield path


@mcp.tool(task=TaskConfig(template="tests", without_tasks="wait", timeout=1800, max_concurrent=10, idempotent=True))
def run_tests(
    repository: Repository,
    revision: Revision = "HEAD",
    patch: Annotated[str | None, Field(description="A diff as git writes it, applied before the tests run.")] = None,
    selection: Annotated[list[str] | None, Field(description="Files or ids of tests; all where unset.")] = None,
    folder: Path = Depends(checkout),
) -> TestReport:
    """Run a repository's tests with pytest at a commit, with a patch if there is one. The repository stays as it is."""
    if wrong := [name for name in selection or () if name.startswith(("-", "@"))]:
        raise ToolError(f"{wrong[0]} is no test")
    commit = commit_of(repository, revision)
    progress(0, 100, f"checking out {commit[:10]}")
    # An index of its own: nothing is written in the repository.
    git(repository, f"--work-tree={folder}", "checkout", commit, "--", ".", GIT_INDEX_FILE=f"{folder}.index")
    if patch is not None:
        apply_patch(folder, patch)
    report = folder.with_suffix(".xml")
    run_pytest(folder, report, selection or ())
    return report_of(report, commit)


def commit_of(repository: str, revision: str) -> str:
    """The commit's hash. Raises ToolError where there is no such repository or revision."""
    if repository not in list_repositories():
        raise ToolError(f"There is no repository {repository}")
    try:
        return git(repository, "rev-parse", "--verify", f"{revision}^{{commit}}")
    except ToolError as error:
        raise ToolError(f"{repository} has no commit {revision}") from error


def git(repository: str, *words: str, **variables: str) -> str:
    """What git prints. Raises ToolError, with what it says, if it fails."""
    command = [*GIT, "-C", str(REPOSITORIES / repository), *words]
    done = subprocess.run(
        command,
        env=os.environ | GIT_VARIABLES | variables,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise ToolError(done.stderr.strip())
    return done.stdout.strip()


def apply_patch(folder: Path, patch: str) -> None:
    """Raises ToolError, with git's words, where the patch does not fit."""
    # Without the ceiling git would look for a repository around the folder.
    environment = os.environ | GIT_VARIABLES | {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
    done = subprocess.run(
        [*GIT, "apply", "-"], cwd=folder, env=environment, input=patch.encode(), capture_output=True, check=False
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
    """What pytest's report in JUnit's format says. Raises ToolError where the tests have left none."""
    try:
        cases = list(ElementTree.parse(report).iter("testcase"))
    except (OSError, ElementTree.ParseError) as error:
        raise ToolError(f"pytest has written no report: {error}") from error
    failed = [
        FailedTest(
            test=f"{case.get('classname')}::{case.get('name')}"[:WIDEST_LINE],
            reason=(problem.text or "")[-LONGEST_REASON:],
        )
        for case in cases
        for problem in [*case.findall("failure"), *case.findall("error")][:1]
    ]
    skipped = sum(case.find("skipped") is not None for case in cases)
    return TestReport(
        commit=commit,
        passed=len(cases) - skipped - len(failed),
        skipped=skipped,
        failed=len(failed),
        reasons=failed[:MOST_REASONS],
        further=[case.test for case in failed[MOST_REASONS:][:MOST_NAMES]],
    )
