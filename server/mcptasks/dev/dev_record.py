"""Where a running `mcptasks dev` says which cluster is its own, so that other commands find it without being told.

A file for each, in a directory that nobody else can write to: below XDG_RUNTIME_DIR, or else among the temporary files.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

OWNER_ONLY = 0o700


class DevRecord(BaseModel):
    """A running `mcptasks dev`: its process, its cluster, and the directories that it is for."""

    pid: int
    endpoint: str
    kubeconfig: Path
    directories: list[Path]

    @property
    def is_alive(self) -> bool:
        """Whether it still runs. One that was killed leaves its record, and may leave its cluster's files."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return False  # Somebody else's process has got the number.
        return self.kubeconfig.is_file()


@dataclass(frozen=True)
class DevRecords:
    """All records of this user."""

    folder: Path

    @classmethod
    def of_user(cls, environment: Mapping[str, str]) -> DevRecords:
        """The records where a process of this user with these variables keeps its own."""
        runtime = environment.get("XDG_RUNTIME_DIR")
        if runtime and Path(runtime).is_dir():
            return cls(Path(runtime) / "mcptasks-dev")
        return cls._temporary()

    @classmethod
    def wherever(cls, environment: Mapping[str, str]) -> Sequence[DevRecords]:
        """All places where this user's may be: not every shell has the variables of a login, as one by `su` has not."""
        runtime = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
        return cls(Path(runtime) / "mcptasks-dev"), cls._temporary()

    @classmethod
    def _temporary(cls) -> DevRecords:
        return cls(Path(tempfile.gettempdir()) / f"mcptasks-dev-{os.getuid()}")

    @contextmanager
    def kept(self, record: DevRecord) -> Iterator[None]:
        """Keep the record for the block. Where there is no place for it, commands just do not find the cluster."""
        path = self.folder / f"{record.pid}.json"
        with suppress(OSError):
            self.folder.mkdir(mode=OWNER_ONLY, exist_ok=True)
            if self._is_ours():
                self._forget_dead()
                path.write_text(record.model_dump_json())
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)
                self.folder.rmdir()

    def find(self, directory: Path, home: Path) -> DevRecord | None:
        """The running `dev` for the directory or the nearest above; the one that started last, of several.

        The home directory and the root are above nearly everything: they count for themselves alone.
        """
        start, records = directory.resolve(), self._running()
        for above in (start, *start.parents):
            if above != start and above in (home.resolve(), Path(above.anchor)):
                continue
            found = next((record for record in records if above in record.directories), None)
            if found is not None:
                return found
        return None

    def _running(self) -> Sequence[DevRecord]:
        """Records of those that run, the youngest first."""
        try:
            if not self._is_ours():
                return []
            files = sorted(self.folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
            records = [_read(path) for path in files]
        except OSError:
            return []
        return [record for record in records if record is not None and record.is_alive]

    def _forget_dead(self) -> None:
        for path in self.folder.glob("*.json"):
            record = _read(path)
            if record is None or not record.is_alive:
                path.unlink(missing_ok=True)

    def _is_ours(self) -> bool:
        """Whether nobody else can have put something there: a stranger's cluster would see what commands send."""
        status = self.folder.lstat()
        return self.folder.is_dir() and status.st_uid == os.getuid() and not status.st_mode & 0o022


def _read(path: Path) -> DevRecord | None:
    try:
        return DevRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
