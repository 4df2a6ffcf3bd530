"""The MCP SDK's private parts are used in one module, which gives the reason for each."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import mcp
import mcp_types
import pytest

from tests.unit.repository.sources import PACKAGES, ROOT, modules

PRIVATE_PARTS = PACKAGES["mcptasks"] / "protocol" / "sdk_private.py"
SDK = ("mcp", "mcp_types")
ATTRIBUTE = re.compile(r"\b(?:self|cls)\.(_[a-z]\w*)|def (_[a-z]\w*)\(self")


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def sdk_attributes() -> frozenset[str]:
    """The private attributes and methods of all classes of the SDK."""
    folders = [Path(package.__file__ or "").parent for package in (mcp, mcp_types)]
    texts = [path.read_text() for folder in folders for path in folder.rglob("*.py")]
    return frozenset(name for text in texts for names in ATTRIBUTE.findall(text) for name in names if name)


SDK_ATTRIBUTES = sdk_attributes()


def used(source: str) -> Iterator[str]:
    """What a module uses of the SDK's private parts."""
    tree = ast.parse(source)
    own = {name for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for name in own_names(node)}
    sdk_names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if is_private_module(each.name))
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in SDK:
            sdk_names |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
            yield from (f"{node.module}.{each.name}" for each in node.names if is_private(each.name))
            if is_private_module(node.module):
                yield node.module
        elif isinstance(node, ast.Attribute) and not is_self(node.value):
            if node.attr in SDK_ATTRIBUTES - own:
                yield ast.unparse(node)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "setattr", "delattr"):
            yield from (ast.unparse(node) for arg in node.args if constant_text(arg) in SDK_ATTRIBUTES)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from inherited(node, sdk_names)


def own_names(node: ast.ClassDef) -> Iterator[str]:
    """The private names that a class defines."""
    for each in ast.walk(node):
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and is_private(each.name):
            yield each.name
        elif isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store) and is_self(each.value):
            yield each.attr


def inherited(node: ast.ClassDef, sdk_names: dict[str, str]) -> Iterator[str]:
    """The private names of the SDK's classes that a class derived from them uses, or hides."""
    bases = [sdk_names[name] for base in node.bases if (name := ast.unparse(base).split("[")[0]) in sdk_names]
    theirs = {name for base in bases for name in names_of(base)}
    names = {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute) and is_self(each.value)}
    yield from (f"{node.name}: self.{name}" for name in sorted((names | set(own_names(node))) & theirs))


def names_of(path: str) -> set[str]:
    """The private names of one class of the SDK, and of those that it derives from."""
    module, _, name = path.rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    classes = [each for each in inspect.getmro(kind) if each.__module__.split(".")[0] in SDK]
    found = {name for each in classes for names in ATTRIBUTE.findall(inspect.getsource(each)) for name in names}
    return found - {""}


def is_private_module(name: str) -> bool:
    first, *others = name.split(".")
    return first in SDK and any(is_private(part) for part in others)


def is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def constant_text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_they_are_used_in_one_module() -> None:
    found = {
        str(path.relative_to(ROOT)): names
        for package in PACKAGES
        for path in modules(package)
        if path != PRIVATE_PARTS and (names := list(used(path.read_text())))
    }
    assert not found, f"move these into {PRIVATE_PARTS.relative_to(ROOT)}"


def test_that_module_uses_them_so_the_right_one_is_left_out() -> None:
    names = set(used(PRIVATE_PARTS.read_text()))
    assert {"self.server._tool_manager", "self.server._lowlevel_server", "self.server._token_verifier"} <= names


SUBCLASS = "from mcp.server.mcpserver import MCPServer\nclass Ours(MCPServer[int]):\n    def f(self):\n        "


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("server._tool_manager.list_tools()", ["server._tool_manager"]),
        ("getattr(server, '_subscriptions')", ["getattr(server, '_subscriptions')"]),
        (SUBCLASS + "return self._token_verifier", ["Ours: self._token_verifier"]),
        (SUBCLASS + "self._extensions = []", ["Ours: self._extensions"]),
        (SUBCLASS + "return self._ours", []),
        ("from mcp.server._otel import OpenTelemetryMiddleware", ["mcp.server._otel"]),
        ("from mcp.server.runner import _dump_result", ["mcp.server.runner._dump_result"]),
        ("import mcp.shared._stream_protocols", ["mcp.shared._stream_protocols"]),
        ("class Ours:\n    def _bus(self, other):\n        return other._bus", []),
    ],
)
def test_uses_are_recognised(source: str, expected: list[str]) -> None:
    assert list(used(source)) == expected
