"""Programs as files: which there are in a folder, and how they are read and written."""

from __future__ import annotations

import difflib
import io
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import libcst

from mcptasks.migration.findings import MigratedProgram
from mcptasks.migration.program_rewrite import migrated, servers_of

SKIPPED_FOLDERS = {"__pycache__", "node_modules", "site-packages", "venv"}


@dataclass(frozen=True)
class ProgramFile:
    """A file with a program; its text has the ends of lines that the file has."""

    path: Path
    encoding: str
    text: str


class ProgramFileError(Exception):
    """A file that cannot be moved over; the message names it and says why."""


def program_paths(given: Iterable[Path]) -> list[Path]:
    """The files, and those of folders, each once; not what is hidden or installed in them.

    Raises:
        ProgramFileError: there is no such file or folder.
    """
    found: dict[Path, None] = {}
    for path in given:
        if not path.exists():
            raise ProgramFileError(f"{path}: there is no such file or folder")
        found |= dict.fromkeys(sorted(_inside(path)) if path.is_dir() else [path])
    return list(found)


def _inside(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).parts[:-1]
        if not any(part.startswith(".") or part in SKIPPED_FOLDERS for part in parts):
            yield path


def read_program(path: Path) -> ProgramFile:
    """Read a file as Python would.

    Raises:
        ProgramFileError: it cannot be read.
    """
    try:
        content = path.read_bytes()
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        return ProgramFile(path, encoding, content.decode(encoding))
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise ProgramFileError(f"{path}: cannot be read: {error}") from error


def write_program(file: ProgramFile, text: str) -> None:
    """Write the text in its place.

    Raises:
        ProgramFileError: it cannot be written.
    """
    try:
        file.path.write_bytes(text.encode(file.encoding))
    except OSError as error:
        raise ProgramFileError(f"{file.path}: cannot be written: {error}") from error


def migrated_files(files: Iterable[ProgramFile]) -> Mapping[Path, MigratedProgram | ProgramFileError]:
    """All programs, moved over together: one may import the server of another."""
    known = list(files)
    servers: dict[Path, set[str]] = {}
    results: dict[Path, MigratedProgram | ProgramFileError] = {}
    for file in known:
        try:
            servers[file.path] = servers_of(file.text)
        except libcst.ParserSyntaxError as error:
            results[file.path] = ProgramFileError(
                f"{file.path}:{error.editor_line}: is not a program: {error.message.splitlines()[0]}"
            )
        except RecursionError:
            results[file.path] = _too_deep(file)
    everywhere = {name for names in servers.values() for name in names}
    for file in known:
        if file.path in servers:
            try:
                results[file.path] = migrated(file.text, everywhere)
            except RecursionError:
                results[file.path] = _too_deep(file)
    return results


def _too_deep(file: ProgramFile) -> ProgramFileError:
    """Of a sum of hundreds of parts, each is within the one before."""
    return ProgramFileError(f"{file.path}: an expression in it has too many parts: move it over by hand")


def _lines(text: str) -> list[str]:
    """The lines as `patch` counts them: a form feed ends none."""
    return list(io.StringIO(text, newline="\n"))


def diff_of(path: Path, program: MigratedProgram) -> str:
    """What changes, as `patch` takes it."""
    lines = difflib.unified_diff(
        _lines(program.before),
        _lines(program.after),
        f"a/{path}",
        f"b/{path}",
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
