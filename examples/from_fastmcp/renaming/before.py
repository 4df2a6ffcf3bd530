"""Numbers the files of a folder, after asking. Written for the tasks of FastMCP 3.

Run it with `python before.py 8000`.
"""

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from fastmcp import Context, FastMCP
from fastmcp.dependencies import CurrentContext
from fastmcp.exceptions import ToolError
from fastmcp.server.tasks import TaskConfig
from pydantic import BaseModel, Field

mcp = FastMCP("renaming", tasks=True)

JOURNAL = ".renamed.json"
quick = TaskConfig(mode="optional", poll_interval=timedelta(milliseconds=200))


class Decision(BaseModel):
    """What the user says to the plan."""

    proceed: bool = Field(description="Rename them?")
    prefix: str = Field(default="", description="What each name starts with.")


class Renamed(BaseModel):
    """What has become of the files, old names first."""

    names: dict[str, str]


@mcp.tool(task=quick)
async def number_files(folder: str, ctx: Context, pattern: Annotated[str, Field(min_length=1)] = "*") -> Renamed:
    """Give the files of a folder numbers for names, in alphabetical order. Asks before it does anything."""
    place = existing(folder)
    files = sorted(path for path in place.glob(pattern) if path.is_file() and path.name != JOURNAL)
    if not files:
        raise ToolError(f"No file in {folder} is like {pattern}")
    await ctx.info(f"{len(files)} files found")
    answer = await ctx.elicit(f"Rename {len(files)} files, {files[0].name} first?", response_type=Decision)
    if answer.action != "accept" or not answer.data.proceed:
        return Renamed(names={})
    names = {path.name: f"{answer.data.prefix}{number:03}{path.suffix}" for number, path in enumerate(files, 1)}
    if len(set(names.values()) & {path.name for path in place.iterdir()} - set(names)):
        raise ToolError("Some of the new names are taken by other files")
    await rename(place, names, ctx)
    return Renamed(names=names)


@mcp.tool()
async def undo(folder: str, ctx: Context = CurrentContext()) -> Renamed:
    """Give the files of a folder the names back that they had before."""
    place = existing(folder)
    journal = place / JOURNAL
    if not journal.exists():
        raise ToolError(f"Nothing was renamed in {folder}")
    names = {new: old for old, new in json.loads(journal.read_text()).items()}
    await rename(place, names, ctx)
    journal.unlink()
    return Renamed(names=names)


@mcp.resource("names://{number}", task=False)
async def name_of_number(number: str) -> str:
    """How a number is written in names."""
    return f"{int(number):03}"


def existing(folder: str) -> Path:
    place = Path(folder)
    if not place.is_dir():
        raise ToolError(f"{folder} is not a folder")
    return place


async def rename(place: Path, names: dict[str, str], ctx: Context) -> None:
    """Rename in two steps, since a new name may be the old one of another file."""
    (place / JOURNAL).write_text(json.dumps(names))
    for number, old in enumerate(names, 1):
        (place / old).rename(place / f"{JOURNAL}.{number}")
        await ctx.report_progress(number, 2 * len(names), f"setting {old} aside")
    for number, new in enumerate(names.values(), 1):
        (place / f"{JOURNAL}.{number}").rename(place / new)
        await ctx.report_progress(len(names) + number, 2 * len(names), f"naming {new}")
        await asyncio.sleep(0)


if __name__ == "__main__":
    mcp.run(transport="http", port=int(sys.argv[1]))
