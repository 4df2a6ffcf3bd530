"""Images, audio and files of a result, kept as files."""

from __future__ import annotations

import base64
import binascii
import itertools
import mimetypes
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias
from urllib.parse import unquote, urlsplit

import typer

from mcptasks.cli.command_errors import CliError, usage_error
from mcptasks.model.base import JsonObject

SaveOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--save",
        metavar="PATH",
        help="Keep images, audio and files of the result here: in a folder, or in a file if PATH ends as one does "
        "(plot.png). Folders are made, and no file is overwritten.",
    ),
]

LONGEST_NAME = 120
"""Bytes; file systems take 255, and a number may have to be added."""

_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*\u200e\u200f\u202a-\u202e\u2066-\u2069]')
"""What no common file system takes, what a terminal obeys, and what turns a name's direction round."""

_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\.|$)")
"""Names that Windows takes for devices."""


@dataclass(frozen=True)
class ResultFile:
    """A file of a result. The server chose the name: it may be anything."""

    name: str
    content: bytes


@dataclass(frozen=True)
class ResultPlace:
    """Where the files of results are kept: a folder, and the name that files get there instead of their own."""

    folder: Path
    name: str | None = None

    @classmethod
    def made(cls, path: Path) -> ResultPlace:
        """The place, its folder made where it is missing; a path with a suffix is a file, unless a folder is there.

        Raises CliError where it cannot be made: before a tool runs for hours.
        """
        is_file_path = bool(path.suffix) and not path.is_dir()
        place = cls(path.parent, path.name) if is_file_path else cls(path)
        try:
            place.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise usage_error(f"--save {path}: {error.strerror}; give a folder or a file, which may be new") from error
        return place

    def save(self, unnamed: str, blocks: Iterable[JsonObject]) -> Iterator[Path]:
        """Write the files among the blocks; gives the path of each. Raises CliError where one cannot be written.

        `unnamed`: what files without a name are called, with a number.
        """
        for number, block in enumerate(filter(is_file, blocks), 1):
            yield self._write(file_of(block, f"{unnamed}-{number}"))

    def _write(self, file: ResultFile) -> Path:
        wanted = self.folder / (self.name or safe_name(file.name))
        try:
            for number in itertools.count(1):
                path = wanted if number == 1 else wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
                try:
                    with path.open("xb") as target:
                        target.write(file.content)
                except FileExistsError:
                    continue
                return path
        except OSError as error:
            raise CliError(f"the tool has ended, but {wanted} cannot be written: {error.strerror}") from error
        raise AssertionError("numbers do not end")


def is_file(block: JsonObject) -> bool:
    """Whether a block of a result is an image, audio or a file, and not text or a link."""
    if block.get("type") == "resource":
        resource = block.get("resource")
        return isinstance(resource, dict) and isinstance(resource.get("blob", resource.get("text")), str)
    return isinstance(block.get("data"), str)


def file_of(block: JsonObject, unnamed: str) -> ResultFile:
    """The file of a block; without a name of its own it gets the other one. Raises CliError for broken Base64."""
    resource = block["resource"] if block.get("type") == "resource" else block
    kind = str(resource.get("mimeType") or "").split(";", maxsplit=1)[0].strip()
    name = _last_part(str(resource.get("uri") or "")) or unnamed + (mimetypes.guess_extension(kind) or "")
    if isinstance(resource.get("text"), str):
        return ResultFile(name, resource["text"].encode())
    try:
        return ResultFile(name, base64.b64decode(str(resource.get("blob", resource.get("data")))))
    except binascii.Error as error:
        raise CliError(f"the server sent {name} in broken Base64: {error}") from error


def safe_name(name: str) -> str:
    """The name without what would lead out of its folder or hide the file, valid on every system."""
    name = _UNSAFE.sub("_", name).strip().lstrip(".").rstrip(". ")
    if not name or _DEVICE.match(name):
        name = f"file-{name}".rstrip("-")
    stem, suffix = Path(name).stem, Path(name).suffix
    if len(suffix.encode()) > LONGEST_NAME // 4:
        stem, suffix = name, ""
    return stem.encode()[: LONGEST_NAME - len(suffix.encode())].decode(errors="ignore") + suffix


def _last_part(uri: str) -> str:
    try:
        path = urlsplit(uri).path
    except ValueError:
        return ""
    return unquote(path.rstrip("/").rpartition("/")[2])
