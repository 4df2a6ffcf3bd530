"""A tool that asks in the middle: it looks for files with the same content, and deletes the copies if the user says so.

Run it with `mcptasks dev examples/cleanup.py` and call it from another terminal, which is asked then:
`mcptasks call http://127.0.0.1:8000/mcp remove_duplicates --arg folder=...`. See docs/input.md. The task is
`input_required` while it waits, however long the user thinks.
"""

import asyncio
import hashlib
from collections import defaultdict
from pathlib import Path
from typing import Literal

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from mcptasks import Progress, TaskConfig, TaskServer

mcp = TaskServer("cleanup")

BLOCK = 1 << 20


class Decision(BaseModel):
    """What the user is asked."""

    delete: bool = Field(description="Delete the copies?")
    keep: Literal["oldest", "newest"] = Field(default="oldest", description="Which file of each group stays.")


class Cleaned(BaseModel):
    """What was found and what was done."""

    copies: int
    wasted_bytes: int
    deleted: list[str]


@mcp.tool(task=TaskConfig(poll_interval=0.5, timeout=3600, input_timeout=24 * 3600))
async def remove_duplicates(folder: str, ctx: Context, progress: Progress = Progress()) -> Cleaned:
    """Find files with the same content below a folder, ask, and delete all but one of each group."""
    groups = await asyncio.to_thread(find_duplicates, Path(folder), progress)
    copies = sum(len(group) - 1 for group in groups)
    wasted = sum(group[0].stat().st_size * (len(group) - 1) for group in groups)
    if not copies:
        return Cleaned(copies=0, wasted_bytes=0, deleted=[])
    answer = await ctx.elicit(f"{copies} copies of {len(groups)} files waste {wasted} bytes. Delete them?", Decision)
    if answer.action != "accept" or not answer.data.delete:
        return Cleaned(copies=copies, wasted_bytes=wasted, deleted=[])
    deleted = await asyncio.to_thread(delete_copies, groups, answer.data.keep)
    return Cleaned(copies=copies, wasted_bytes=wasted, deleted=deleted)


def find_duplicates(folder: Path, progress: Progress) -> list[list[Path]]:
    """Groups of files with the same content, each from the oldest to the newest. Only files of one size are read."""
    if not folder.is_dir():
        raise ToolError(f"{folder} is not a folder")
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            by_size[path.stat().st_size].append(path)
    suspects = [path for size, paths in by_size.items() if size and len(paths) > 1 for path in paths]
    by_content: dict[bytes, list[Path]] = defaultdict(list)
    for path in suspects:
        progress.set_total(len(suspects))
        progress.set_message(f"reading {path.name}")
        by_content[digest(path)].append(path)
        progress.increment()
    groups = [group for group in by_content.values() if len(group) > 1]
    return [sorted(group, key=lambda path: (path.stat().st_mtime_ns, path)) for group in groups]


def digest(path: Path) -> bytes:
    """What two files have in common if and only if their content is the same."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            total.update(block)
    return total.digest()


def delete_copies(groups: list[list[Path]], keep: Literal["oldest", "newest"]) -> list[str]:
    """Delete all but one file of each group."""
    copies = [path for group in groups for path in (group[1:] if keep == "oldest" else group[:-1])]
    for path in copies:
        path.unlink()
    return sorted(str(path) for path in copies)
