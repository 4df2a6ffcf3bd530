"""A result on its way into a file: in a file beside it first, which a later download goes on with."""

from __future__ import annotations

import codecs
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mcptasks.cli.command_errors import CliError, usage_error
from mcptasks.client import ResultPiece

CHUNK = 1024 * 1024


@dataclass(frozen=True)
class ResultDownload:
    """Where a result goes.

    Args:
        target: the file; nothing is there yet.
        link: gives a file a second name. Raises FileExistsError where there is one of it, and OSError where the file
            system has no links.
    """

    target: Path
    link: Callable[[Path, Path], None] = os.link

    @property
    def part(self) -> Path:
        """What there is of it so far."""
        return self.target.with_name(f"{self.target.name}.part")

    def check(self) -> None:
        """Raises CliError where the file exists, or can be none."""
        if self.target.exists():
            raise usage_error(f"--output {self.target}: the file exists; give another one, or remove it")
        if not self.target.parent.is_dir():
            raise usage_error(f"--output {self.target}: there is no folder {self.target.parent}")

    def begun(self, first: ResultPiece) -> int:
        """Bytes that are there already, as whole characters, of the result that begins with this piece.

        Raises CliError where the file has anything else in it, which stays there.
        """
        head = first.text.encode()
        try:
            with self.part.open("r+b") as file:
                size = _whole_characters(file)
                if size is None or size > first.size or not head.startswith(file.read(len(head))):
                    raise CliError(f"{self.part} is no beginning of this result: remove it, or give another --output")
                file.truncate(size)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise self._failed(error) from error
        return size

    def add(self, piece: ResultPiece) -> None:
        """Write a piece behind what is there. Raises CliError."""
        try:
            with self.part.open("ab") as file:
                file.write(piece.text.encode())
        except OSError as error:
            raise self._failed(error) from error

    def finish(self, sha256: str) -> None:
        """Give the file its name.

        Raises CliError where it is not the result with this checksum, and where a file of that name exists by now.
        """
        try:
            with self.part.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != sha256:
                self.part.unlink()
                raise CliError(f"what was fetched is not the recorded result: {self.part} is removed, fetch it again")
            self._name()
        except FileExistsError as error:
            raise CliError(f"--output {self.target}: the file exists by now; the result is in {self.part}") from error
        except OSError as error:
            raise self._failed(error) from error

    def _name(self) -> None:
        """Rename the file. Unlike `rename` it raises FileExistsError where the name is taken."""
        try:
            self.link(self.part, self.target)
        except FileExistsError:
            raise
        except OSError:
            # A file system without links: an empty file takes the name, and is replaced.
            self.target.open("xb").close()
            self.part.replace(self.target)
        else:
            self.part.unlink()

    def _failed(self, error: OSError) -> CliError:
        return CliError(f"{error.filename or self.part} cannot be written: {error.strerror}")


def _whole_characters(file: BinaryIO) -> int | None:
    """Bytes of the file without a character at its end that is cut; None where it is not UTF-8.

    Leaves it at its begin.
    """
    decoder, size = codecs.getincrementaldecoder("utf-8")(), 0
    try:
        while chunk := file.read(CHUNK):
            decoder.decode(chunk)
            size += len(chunk)
    except UnicodeDecodeError:
        return None
    finally:
        file.seek(0)
    return size - len(decoder.getstate()[0])
