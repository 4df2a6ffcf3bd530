"""No string names a module that an import could not reach: the contracts for imports do not see strings.

The one module that everybody may name is `mcptasks` itself, the installed command. The embedded cluster does not
even know that one: its caller says what runs in containers.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.repository.sources import PACKAGES, ROOT, modules, parsed

MODULE_NAME = re.compile(r"mcptasks(?:_embedded|_operator)?(?:\.[a-z_0-9]+)*\.?")
API_GROUP = "mcptasks.dev"
"""Not the package of that name."""

COMMAND = "mcptasks"


def layers() -> list[set[str]]:
    """The packages of `mcptasks`, the uppermost first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (found,) = [one["layers"] for one in contracts if one.get("containers") == ["mcptasks"]]
    return [{name.strip(" ()") for name in layer.split("|")} for layer in found]


def height(module: str) -> int:
    """How far up a module is. The operator and the embedded cluster are below only what starts them."""
    top, _, rest = module.rstrip(".").partition(".")
    if module == "mcptasks":
        # The package itself offers names of its upper layers, which it imports when they are asked for.
        return len(layers())
    order = [index for index, layer in enumerate(reversed(layers())) if rest.partition(".")[0] in layer]
    return order[0] if top == "mcptasks" and order else -1


def texts(tree: ast.Module) -> Iterator[str]:
    """All strings of a module but its docstrings; of those with fields, the beginning."""
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


def named_modules(tree: ast.Module) -> set[str]:
    """Modules of ours that strings name, the command itself left out."""
    named = {text for text in texts(tree) if MODULE_NAME.fullmatch(text)} - {API_GROUP, COMMAND}
    return {name for name in named if exists(name.rstrip("."))}


def exists(module: str) -> bool:
    top, *rest = module.split(".")
    path = PACKAGES[top].joinpath(*rest) if top in PACKAGES else Path("/nowhere")
    return path.is_dir() or path.with_suffix(".py").is_file()


def module_of(path: Path, package: str) -> str:
    parts = path.relative_to(PACKAGES[package].parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def upward(module: str, tree: ast.Module) -> set[str]:
    """The modules that strings of this one name, and that stand above it or in another top package."""
    top = module.partition(".")[0]
    return {
        name
        for name in named_modules(tree)
        if name.partition(".")[0] != top or (top == "mcptasks" and height(name) > height(module))
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_no_string_names_a_module_of_an_upper_layer(package: str) -> None:
    found = {module_of(path, package): upward(module_of(path, package), parsed(path)) for path in modules(package)}
    assert {module: names for module, names in found.items() if names} == {}


def test_the_embedded_cluster_starts_what_its_caller_names() -> None:
    assert [path for path in modules("mcptasks_embedded") if COMMAND in texts(parsed(path))] == []


@pytest.mark.parametrize(
    ("module", "code", "found"),
    [
        ("mcptasks.dev.supervisor", 'run("-m", "mcptasks.cli.commands.call")', {"mcptasks.cli.commands.call"}),
        ("mcptasks.dev.supervisor", 'run("-m", "mcptasks.dev.leash")', set()),
        ("mcptasks.dev.stack", 'run("-m", "mcptasks", "serve")', set()),
        ("mcptasks.kube.access", 'import_module(f"mcptasks.cli.{name}")', {"mcptasks.cli."}),
        ("mcptasks.model.base", 'GROUP = "mcptasks.dev"', set()),
        ("mcptasks_embedded.cluster", 'run("-m", "mcptasks.dev.leash")', {"mcptasks.dev.leash"}),
        ("mcptasks_operator.process.app", '"""mcptasks.cli"""', set()),
    ],
)
def test_such_strings_are_recognised(module: str, code: str, found: set[str]) -> None:
    assert upward(module, ast.parse(code)) == found
