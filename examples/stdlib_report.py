"""A report on the Python standard library: real work on thousands of real files, as an MCP tool that runs as a task.

Run it with `mcptasks dev examples/stdlib_report.py`, then call it:

    mcptasks call http://127.0.0.1:8000/mcp report --arg top=5
"""

import ast
import gc
import os
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from mcptasks import TaskConfig, TaskServer, progress

mcp = TaskServer("stdlib-report")

STDLIB = Path(sysconfig.get_path("stdlib"))
SKIPPED = frozenset({"site-packages", "__pycache__"})


class Module(BaseModel):
    """A module and its size."""

    name: str
    lines: int
    bytes: int


class Function(BaseModel):
    """A function and its length."""

    module: str
    name: str
    lines: int


class ImportEdge(BaseModel):
    """How many modules of one package import another package."""

    importer: str
    imported: str
    modules: int


class Report(BaseModel):
    """What the standard library is made of."""

    python: str
    files: int
    lines: int
    functions: int
    classes: int
    unparsable: list[str] = Field(description="Modules that are not valid Python, on purpose.")
    largest_modules: list[Module]
    longest_functions: list[Function]
    import_edges: list[ImportEdge]


@dataclass(frozen=True)
class Source:
    """A source file of the standard library."""

    path: Path
    module: str

    @property
    def package(self) -> str:
        return self.module.partition(".")[0]


@mcp.tool(task=TaskConfig(ttl=600, timeout=300, poll_interval=0.5, idempotent=True))
def report(
    top: Annotated[int, Field(ge=1, le=100, description="How many entries each list has.")] = 10,
    packages: Annotated[list[str] | None, Field(description="Only these top-level packages; all where unset.")] = None,
) -> Report:
    """Parse every module of the Python standard library: counts, largest modules, longest functions, imports."""
    sources = [source for source in find_sources(STDLIB) if not packages or source.package in packages]
    findings = Findings()
    with no_cycle_collection():
        for number, source in enumerate(sources):
            progress(number, len(sources), f"parsing {source.module}")
            findings.add(source)
    progress(len(sources), len(sources), "sorting")
    return findings.report(top)


@dataclass
class Findings:
    """What was found so far."""

    modules: list[Module] = field(default_factory=list[Module])
    functions: list[Function] = field(default_factory=list[Function])
    classes: int = 0
    unparsable: list[str] = field(default_factory=list[str])
    edges: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])

    def add(self, source: Source) -> None:
        """Parse one module and take in what it has."""
        content = source.path.read_bytes()
        try:
            tree = ast.parse(content)
        except (SyntaxError, ValueError):
            self.unparsable.append(source.module)
            return
        self.modules.append(Module(name=source.module, lines=content.count(b"\n"), bytes=len(content)))
        imported: set[str] = set()
        for node in statements(tree):
            imported.update(imported_packages(node))
            self.classes += isinstance(node, ast.ClassDef)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                self.functions.append(Function(module=source.module, name=node.name, lines=lines))
        self.edges.update((source.package, package) for package in imported if package != source.package)

    def report(self, top: int) -> Report:
        """The report, in an order that depends on nothing but the files."""
        edges = sorted(self.edges.items(), key=lambda item: (-item[1], item[0]))
        return Report(
            python=sys.version.partition(" ")[0],
            files=len(self.modules) + len(self.unparsable),
            lines=sum(module.lines for module in self.modules),
            functions=len(self.functions),
            classes=self.classes,
            unparsable=sorted(self.unparsable),
            largest_modules=sorted(self.modules, key=lambda m: (-m.lines, m.name))[:top],
            longest_functions=sorted(self.functions, key=lambda f: (-f.lines, f.module, f.name))[:top],
            import_edges=[ImportEdge(importer=a, imported=b, modules=count) for (a, b), count in edges[:top]],
        )


@contextmanager
def no_cycle_collection() -> Iterator[None]:
    """Syntax trees are many objects and no cycles: looking for some doubles the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def find_sources(root: Path) -> Iterator[Source]:
    """All modules below the root, in a stable order."""
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if SKIPPED.isdisjoint(relative.parts):
            yield Source(path, ".".join(relative.with_suffix("").parts))


def statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """All statements of a module, nested ones too; expressions, which are most of a tree, are passed by."""
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.stmt):
            yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            pending += getattr(node, name, ())


def imported_packages(node: ast.AST) -> Iterator[str]:
    """The top-level packages that an import statement names."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name.partition(".")[0]
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module.partition(".")[0]


@mcp.tool(task=TaskConfig(timeout=600, poll_interval=0.5))
def count_slowly(
    steps: Annotated[int, Field(ge=1, le=100_000, description="How far to count.")] = 60,
    delay: Annotated[float, Field(ge=0, le=60, description="Seconds between two steps.")] = 1.0,
    with_child: Annotated[bool, Field(description="Start a child process, which must end with the task.")] = False,
) -> int:
    """Count, slowly: a task to cancel."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"]) if with_child else None
    try:
        for step in range(steps):
            progress(step, steps, f"step {step + 1} of {steps}")
            print(f"step {step + 1} of {steps}", flush=True)
            time.sleep(delay)
    finally:
        if child is not None:
            child.kill()
            child.wait()
    return steps


@mcp.tool(task=TaskConfig(poll_interval=0.5))
def fail(
    message: Annotated[str, Field(description="What goes wrong.")] = "the disk is full",
    exit_code: Annotated[int | None, Field(ge=1, le=255, description="End the process with this instead.")] = None,
) -> str:
    """Fail, as an error of the tool or as a crash of its process."""
    progress(1, 2, "about to fail")
    print(f"about to fail: {message}", flush=True)
    if exit_code is not None:
        os._exit(exit_code)
    raise ToolError(message)
