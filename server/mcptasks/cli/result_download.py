"""A result on its way into a file: in a file beside it first, which a later download goes on with."""

from __future__ import annotations

import codecs
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mcptasks.cli.command_errors import CliError, usage_error
from mcptasks.client import ResultPiece

CHUNK = 1024 * 1024


@dataclass(frozen=True)
class ResultDownload:
    """Where a result goes."""

    target: Path

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
        """Bytes that are there already, as whole characters; 0 where they cannot be of the result of this piece."""
        try:
            with self.part.open("r+b") as file:
                size = _whole_characters(file)
                is_part = size <= first.size and file.read(len(first.text.encode())) == first.text.encode()
                file.truncate(size if is_part else 0)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise self._failed(error) from error
        return size if is_part else 0

    def add(self, piece: ResultPiece) -> None:
        """Write a piece behind what is there. Raises CliError."""
        try:
            with self.part.open("ab") as file:
                file.write(piece.text.encode())
        except OSError as error:
            raise self._failed(error) from error

    def finish(self, sha256: str) -> None:
        """Give the file its name. Raises CliError where it is not the result with this checksum."""
        try:
            with self.part.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != sha256:
                self.part.unlink()
                raise CliError(f"what was fetched is not the recorded result: {self.part} is removed, fetch it again")
            self.part.rename(self.target)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> CliError:
        return CliError(f"{error.filename or self.part} cannot be written: {error.strerror}")


def _whole_characters(file: BinaryIO) -> int:
    """Bytes of the file without a character at its end that is cut; 0 where it is not UTF-8. Leaves it at its begin."""
    decoder, size = codecs.getincrementaldecoder("utf-8")(), 0
    try:
        while chunk := file.read(CHUNK):
            decoder.decode(chunk)
            size += len(chunk)
    except UnicodeDecodeError:
        return 0
    finally:
        file.seek(0)
    return size - len(decoder.getstate()[0])
