"""Finding the user's server, and saying why it cannot be found."""

from __future__ import annotations

import asyncio
import importlib
import sys
from pathlib import Path

import pytest

from mcptasks.authoring.loader import LoadError, ServerPath, absolute, load_server

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


def test_a_file_of_a_package_is_to_be_named_as_its_module(tmp_path: Path) -> None:
    package = tmp_path / "app" / "web"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    message = rf"name it app\.web\.server instead of the file, from {tmp_path}$"
    with pytest.raises(LoadError, match=message):
        load_server(write(package, "from .helper import x\n"))
    with pytest.raises(LoadError, match="without a dot"):
        load_server(write(tmp_path, "from .helper import x\n"))


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


COMPONENT = SERVER.replace("{name} =", "mcp =") + "@mcp.tool()\ndef {tool}() -> str:\n    return __name__\n"


def test_several_modules_are_one_server_with_prefixes(tmp_path: Path) -> None:
    for name, tool in (("one", "report"), ("two", "report"), ("three", "other")):
        (tmp_path / f"{name}.py").write_text(COMPONENT.format(name=name, tool=tool))
    server = load_server(f"{tmp_path}/one.py,maps={tmp_path}/two.py,{tmp_path}/three.py:mcp")
    assert server.name == "one"
    assert sorted(tool.name for tool in asyncio.run(server.list_tools())) == ["maps_report", "other", "report"]


def test_names_that_collide_are_refused_with_both_places(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(COMPONENT.format(name=name, tool="report"))
    places = rf"tool 'report' is declared twice: at {tmp_path}/one.py:\d+ and at {tmp_path}/two.py:\d+"
    with pytest.raises(LoadError, match=places):
        load_server(f"{tmp_path}/one.py,{tmp_path}/two.py")


def test_the_first_of_several_is_the_server_itself(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="cannot have a prefix"):
        load_server(f"maps={tmp_path}/one.py,{tmp_path}/two.py")


def test_several_paths_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("a.py,geo=b/c.py:mcp,package.module") == f"{tmp_path}/a.py,geo={tmp_path}/b/c.py:mcp,package.module"


def test_a_file_has_the_name_by_which_other_interpreters_find_it(tmp_path: Path) -> None:
    (tmp_path / "alone_5d1.py").write_text(COMPONENT.format(name="one", tool="report"))
    load_server(f"{tmp_path}/alone_5d1.py")
    assert importlib.import_module("alone_5d1").__file__ == f"{tmp_path}/alone_5d1.py"


@pytest.mark.parametrize("name", ["json.py", "pytest.py", "time.py", "a.b.py", "_abc.py"])
def test_a_file_takes_no_other_modules_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    before = {module: sys.modules[module] for module in ("json", "pytest", "time", "_abc")}
    (tmp_path / name).write_text(COMPONENT.format(name="one", tool="report"))
    assert load_server(f"{tmp_path}/{name}").name == "one"
    assert {module: sys.modules[module] for module in before} == before


def test_files_of_one_name_do_not_take_each_others_place(tmp_path: Path) -> None:
    for folder, tool in (("a", "one"), ("b", "two")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same_5d1.py").write_text(COMPONENT.format(name=folder, tool=tool))
    load_server(f"{tmp_path}/a/same_5d1.py,{tmp_path}/b/same_5d1.py")
    assert sys.modules["same_5d1"].__file__ == f"{tmp_path}/a/same_5d1.py"


def test_a_file_that_fails_leaves_no_module(tmp_path: Path) -> None:
    (tmp_path / "broken_5d1.py").write_text("1 / 0\n")
    with pytest.raises(LoadError):
        load_server(f"{tmp_path}/broken_5d1.py")
    assert "broken_5d1" not in sys.modules
