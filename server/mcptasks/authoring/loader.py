"""Finding the user's server: `path/to/server.py[:name]` or `package.module[:name]`.

Several, separated by commas, are served as one: the first one is the server, the others are mounted on it, each with
the prefix before its `=` if it has one: `server.py,geo=maps.py`.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

from mcptasks.authoring.task_server import TaskServer
from mcptasks.authoring.user_files import USER_FILES, name_of_file
from mcptasks.diagnostics.tracebacks import exception_summary, own_traceback
from mcptasks.model.task_config import DeclarationError


class LoadError(Exception):
    """The user's server cannot be loaded; the message says why and what to do.

    `trace` is the traceback of what the module itself raised, if it did; `masked` the message without what that says.
    """

    def __init__(self, message: str, trace: str | None = None, masked: str | None = None) -> None:
        super().__init__(message)
        self.trace = trace
        self.masked = masked or message


@dataclass(frozen=True)
class ServerPath:
    """Where the user's server is: a file or a module, and the name in it (None: the only one)."""

    target: str
    name: str | None = None

    @classmethod
    def parse(cls, text: str) -> ServerPath:
        """Read `path/to/server.py[:name]` or `package.module[:name]`."""
        target, colon, name = text.rpartition(":")
        # A colon before a path separator belongs to the path.
        if not colon or not name.isidentifier():
            return cls(text)
        return cls(target, name)

    @property
    def is_file(self) -> bool:
        return self.target.endswith(".py") or "/" in self.target

    def absolute(self) -> str:
        """The same as text that means the same from any directory."""
        target = str(Path(self.target).resolve()) if self.is_file else self.target
        return f"{target}:{self.name}" if self.name else target


@dataclass(frozen=True)
class Mounted:
    """One of several servers: where it is, and the prefix of its names."""

    path: ServerPath
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Mounted:
        """Read `[prefix=]path`."""
        prefix, equals, path = text.strip().partition("=")
        if equals and prefix.isidentifier():
            return cls(ServerPath.parse(path), prefix)
        return cls(ServerPath.parse(text.strip()))

    def absolute(self) -> str:
        """The same as text that means the same from any directory."""
        return f"{self.prefix}={self.path.absolute()}" if self.prefix else self.path.absolute()


def named_in(text: str) -> list[Mounted]:
    """The servers that the text names."""
    return [Mounted.parse(part) for part in text.split(",")]


def absolute(text: str) -> str:
    """The servers that the text names, as text that means the same from any directory."""
    return ",".join(mounted.absolute() for mounted in named_in(text))


def load_server(text: str) -> TaskServer[object]:
    """Import the module, or the modules, and find the TaskServer in it. What is in the working directory is found too.

    Raises:
        LoadError: there is no such file or module, importing it failed, it has no (or more than one) TaskServer, or
            two servers have components of the same name.
    """
    first, *others = named_in(text)
    if os.getcwd() not in sys.path:
        # Last: what is installed keeps its name.
        sys.path.append(os.getcwd())
    if first.prefix:
        raise LoadError(f"{first.path.target} comes first, so it is the server itself and cannot have a prefix")
    server = _server(first.path)
    for other in others:
        mounted = _server(other.path)
        try:
            server.mount(mounted, other.prefix)
        except DeclarationError as error:
            raise LoadError(f"{other.path.target} cannot be served with {first.path.target}: {error}") from error
    return server


def _server(path: ServerPath) -> TaskServer[object]:
    module = _load(path)
    if path.name is not None:
        return _named(module, path)
    found = {id(value): (name, value) for name, value in vars(module).items() if isinstance(value, TaskServer)}
    if len(found) == 1:
        return next(iter(found.values()))[1]
    if found:
        names = ", ".join(sorted(name for name, _ in found.values()))
        raise LoadError(
            f"{path.target} has several servers ({names}): name one, as in {path.target}:{names.split(',')[0]}"
        )
    raise LoadError(
        f"{path.target} has no TaskServer at module level: write `mcp = TaskServer(...)` in it{_hint(module)}"
    )


def _named(module: ModuleType, path: ServerPath) -> TaskServer[object]:
    value = getattr(module, path.name or "", None)
    if value is None:
        raise LoadError(f"{path.target} has no {path.name!r}")
    if not isinstance(value, TaskServer):
        raise LoadError(f"{path.target}:{path.name} is a {type(value).__name__}, not a TaskServer{_hint(module)}")
    return value


def _hint(module: ModuleType) -> str:
    plain = [name for name, value in vars(module).items() if type(value).__name__ in ("MCPServer", "FastMCP")]
    return f" (make {plain[0]} a TaskServer: `from mcptasks import TaskServer`)" if plain else ""


def _load(path: ServerPath) -> ModuleType:
    try:
        return _load_file(Path(path.target)) if path.is_file else importlib.import_module(path.target)
    except LoadError:
        raise
    except ModuleNotFoundError as error:
        if not path.is_file and error.name is not None and path.target.startswith(error.name):
            raise LoadError(f"there is no module {path.target!r}: is it installed, or did you mean a file?") from error
        raise _failed(path, error) from error
    except (Exception, SystemExit) as error:
        raise _failed(path, error) from error


def _failed(path: ServerPath, error: BaseException) -> LoadError:
    what, *lines = exception_summary(error).splitlines()
    places = [line.strip() for line in lines if line.startswith("  at ")]
    where = f" ({places[-1]})" if places else ""
    trace = own_traceback(error) or "".join(traceback.format_exception(error))
    told = f"{path.target} cannot be imported"
    is_relative = "no known parent package" in what or f"No module named '{USER_FILES}." in what
    hint = _module_hint(Path(path.target)) if path.is_file and is_relative else ""
    return LoadError(f"{told}: {what}{where}{hint}", trace, masked=told)


def _module_hint(file: Path) -> str:
    """What to name instead of a file of a package, which only as a module of it finds its neighbours."""
    folder, names = file.resolve().parent, [file.stem]
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    if len(names) == 1:
        return "; a file on its own imports its neighbours by their names, without a dot"
    return f"; it is a module of a package: name it {'.'.join(names)} instead of the file, from {folder}"


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise LoadError(f"there is no file {path}")
    file = path.resolve()
    _make_importable(file)
    name = file.stem if _is_found_by_name(file) else name_of_file(file)
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise LoadError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    # Registered before it runs, as an import does: dataclasses and pydantic look their module up.
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
        raise
    return module


def _make_importable(file: Path) -> None:
    """Put the file's folder on the path: first, as Python does, unless the file would hide another module there."""
    folder = str(file.parent)
    if folder in sys.path:
        return
    if _is_another_modules(file):
        sys.path.append(folder)
    else:
        sys.path.insert(0, folder)


def _is_another_modules(file: Path) -> bool:
    """Whether the file's name is that of a module that this process, and so its children, imported from elsewhere."""
    loaded = sys.modules.get(file.stem)
    return file.stem in sys.builtin_module_names or (
        loaded is not None and not _is_from(getattr(loaded, "__file__", None), file)
    )


def _is_found_by_name(file: Path) -> bool:
    """Whether the file's name imports it, in a fresh interpreter with the same `sys.path` as well.

    The processes that multiprocessing spawns find functions by the names of their modules.
    """
    if _is_another_modules(file) or "." in file.stem:
        return False
    importlib.invalidate_caches()
    spec = PathFinder.find_spec(file.stem)
    return spec is not None and _is_from(spec.origin, file)


def _is_from(origin: str | None, file: Path) -> bool:
    return origin is not None and Path(origin).resolve() == file
