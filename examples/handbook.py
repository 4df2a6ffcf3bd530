"""Prompts and resources as tasks: reference pages of the Python standard library, made from its source.

Run it with `mcptasks dev examples/handbook.py`. Clients of protocol version 2025-11-25 can have these as tasks:

    async with Client("http://127.0.0.1:8000/mcp", protocol="2025-11-25") as client:
        page = await client.read_resource("handbook://json.decoder", task=True)
        prompt = await client.get_prompt("explain", {"module": "heapq", "question": "Is it stable?"}, task=True)

For the newer version they are rendered inline.
"""

import ast
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from mcp.server.mcpserver.exceptions import ResourceError
from mcp.server.mcpserver.prompts.base import AssistantMessage, Message, UserMessage

from mcptasks import Progress, TaskConfig, TaskServer

mcp = TaskServer("handbook", tasks=TaskConfig(poll_interval=0.5, timeout=300))

STDLIB = Path(sysconfig.get_path("stdlib"))
SKIPPED = frozenset({"site-packages", "__pycache__", "test", "idlelib"})


@mcp.resource("handbook://{module}", mime_type="text/markdown")
def page(module: str, progress: Progress = Progress()) -> str:
    """The public functions and classes of a module, and who uses it."""
    users = ", ".join(f"`{name}`" for name in users_of(module, progress))
    return f"{reference(module)}\n\nUsed by {users or 'no other module'}.\n"


@mcp.resource("handbook://contents", mime_type="application/json")
def contents() -> list[str]:
    """All modules that have a page."""
    return [module_name(path) for path in sources()]


@mcp.prompt()
def explain(module: str, question: str, progress: Progress = Progress()) -> list[Message]:
    """Ask about a module, with its reference and those of the modules that it builds on."""
    builds_on = [name for name in imports_of(source_of(module)) if path_of(name) is not None]
    pages = [reference(module)]
    progress.set_total(max(1, len(builds_on)))
    for name in builds_on:
        progress.set_message(f"reading {name}")
        pages.append(reference(name))
        progress.increment()
    return [
        UserMessage("\n\n".join(pages)),
        AssistantMessage(f"I have read the reference of {module}. What do you want to know?"),
        UserMessage(question),
    ]


def reference(module: str) -> str:
    """A module's page: one line for each public function, class and method."""
    tree = source_of(module)
    lines = [f"# {module}", "", first_line(tree), ""]
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            lines.append(f"- `class {node.name}`: {first_line(node)}")
            lines += [f"  - {described(method)}" for method in public_functions(node)]
    lines += [f"- {described(function)}" for function in public_functions(tree)]
    return "\n".join(lines)


def public_functions(node: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not child.name.startswith("_"):
            yield child


def described(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return f"`{function.name}({ast.unparse(function.args)})`: {first_line(function)}"


def first_line(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return (ast.get_docstring(node) or "not documented").splitlines()[0]


def users_of(module: str, progress: Progress) -> list[str]:
    """The modules of the library that import this one."""
    found: list[str] = []
    paths = list(sources())
    progress.set_total(len(paths))
    for path in paths:
        text = path.read_text(encoding="utf-8", errors="replace")
        # Parsing takes long; most files do not even have the word.
        if module in text and module in imports_of(ast.parse(text)):
            found.append(module_name(path))
        progress.increment()
    return found


def imports_of(tree: ast.Module) -> list[str]:
    """The modules that a module imports, absolutely, in alphabetical order."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return sorted(names)


def source_of(module: str) -> ast.Module:
    path = path_of(module)
    if path is None:
        raise ResourceError(f"The standard library has no source of a module {module!r}")
    return ast.parse(path.read_text(encoding="utf-8"))


def path_of(module: str) -> Path | None:
    """Where a module is, or None where it is not in the library, or not in Python."""
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    place = STDLIB.joinpath(*parts)
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def sources() -> Iterator[Path]:
    """All modules of the library that people use, in a stable order."""
    for path in sorted(STDLIB.rglob("*.py")):
        parts = path.relative_to(STDLIB).parts
        if SKIPPED.isdisjoint(parts) and not any("test" in part or part.startswith("lib2to3") for part in parts):
            yield path


def module_name(path: Path) -> str:
    parts = path.relative_to(STDLIB).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
