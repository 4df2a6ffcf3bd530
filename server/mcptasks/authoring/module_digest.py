"""Which code a server and a worker have loaded: the same digest means the same code."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from mcptasks.authoring.loader import ServerPath, named_in
from mcptasks.authoring.source_filter import SourceFilter


def module_digest(text: str) -> str:
    """SHA-256, as hexadecimal digits, of the source files of the servers that the text names (`loader.named_in`).

    That is a file and all own code below its directory, or a package, or a module of a single file: what
    `mcptasks dev` watches. Only the files' paths below that directory count, not where it is. Libraries do not count.
    """
    digest = hashlib.sha256()
    for mounted in named_in(text):
        digest.update(f"{mounted.prefix}={mounted.path.name or ''}\0".encode())
        for name, file in _sources(mounted.path):
            content = _content(file)
            digest.update(f"{name}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
            digest.update(content)
    return digest.hexdigest()


def _sources(path: ServerPath) -> Iterator[tuple[str, Path]]:
    """The files, by their path below the directory that holds them."""
    if path.is_file:
        file = Path(path.target).resolve()
        yield file.name, file
        # A file at the root of a file system has all of it below its directory.
        if file.parent != file.parent.parent:
            yield from _below(file.parent)
        return
    spec = PathFinder.find_spec(path.target.partition(".")[0])
    if spec is None:
        return
    if spec.submodule_search_locations is not None:
        for directory in spec.submodule_search_locations:
            yield from _below(Path(directory).resolve())
    elif spec.origin is not None:
        yield Path(spec.origin).name, Path(spec.origin)


def _below(directory: Path) -> Iterator[tuple[str, Path]]:
    """All own code below the directory, in an order that does not depend on the file system."""
    is_own = SourceFilter([directory])
    for folder, names, files in os.walk(directory):
        # A probe that every own directory passes: what is installed, built or cached need not be searched.
        names[:] = sorted(name for name in names if is_own(None, str(Path(folder, name, "a.py"))))
        for file in sorted(Path(folder, name) for name in files):
            if is_own(None, str(file)):
                yield file.relative_to(directory).as_posix(), file


def _content(file: Path) -> bytes:
    """Its bytes; none where it cannot be read, or has just been removed."""
    try:
        return file.read_bytes()
    except OSError:
        return b""
