"""Finding the user's server, and saying why it cannot be found."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcptasks.loading import LoadError, ServerPath, load_server

SERVER = "from mcptasks import TaskServer\n{name} = TaskServer('{name}')\n"


def write(folder: Path, text: str) -> str:
    file = folder / "server.py"
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize(
    ("text", "target", "name"),
    [
        ("a/server.py", "a/server.py", None),
        ("a/server.py:mcp", "a/server.py", "mcp"),
        ("package.module", "package.module", None),
        ("package.module:app", "package.module", "app"),
        ("C:/x/server.py", "C:/x/server.py", None),
    ],
)
def test_paths(text: str, target: str, name: str | None) -> None:
    assert ServerPath.parse(text) == ServerPath(target, name)


def test_the_only_server_needs_no_name(tmp_path: Path) -> None:
    assert load_server(write(tmp_path, SERVER.format(name="mcp") + "also = mcp\n")).name == "mcp"


def test_a_server_is_taken_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, SERVER.format(name="one") + SERVER.format(name="two"))
    assert load_server(f"{path}:two").name == "two"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SERVER.format(name="one") + SERVER.format(name="two"), r"several servers \(one, two\): name one"),
        ("x = 1\n", "no TaskServer at module level"),
        (
            "from mcp.server.mcpserver import MCPServer\nmcp = MCPServer('x')\n",
            "make mcp a TaskServer: `from mcptasks import TaskServer`",
        ),
        ("raise RuntimeError('no config')\n", "cannot be imported: RuntimeError: no config"),
        ("import no_such_module\n", "cannot be imported: ModuleNotFoundError: No module named 'no_such_module'"),
        ("def broken(:\n", "cannot be imported: SyntaxError"),
        ("import sys; sys.exit(3)\n", "cannot be imported: SystemExit: 3"),
    ],
)
def test_what_cannot_be_loaded_says_why(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=message):
        load_server(write(tmp_path, text))


def test_the_traceback_of_the_module_is_kept(tmp_path: Path) -> None:
    with pytest.raises(LoadError) as caught:
        load_server(write(tmp_path, "def f():\n    raise RuntimeError('deep')\nf()\n"))
    assert caught.value.trace is not None
    assert "in f" in caught.value.trace


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nowhere/server.py", "there is no file nowhere/server.py"),
        ("no_such_package.server", "there is no module 'no_such_package.server'"),
        ("json:dumps", "json:dumps is a function, not a TaskServer"),
        ("json:nothing", "json has no 'nothing'"),
    ],
)
def test_what_is_not_there_is_named(text: str, message: str) -> None:
    with pytest.raises(LoadError, match=message):
        load_server(text)
