"""Plan, ask, apply: DNS records are brought to what they should be, and only after a person has seen what would change.

The zones are in a SQLite database here; a provider's API takes its place in `Zones`. README.md says how to run it here
and in a cluster.
"""

import asyncio
import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from mcptasks import Context, Depends, Progress, TaskConfig, TaskServer

mcp = TaskServer("dns-zones")
log = logging.getLogger(__name__)

DATABASE = Path(os.environ.get("ZONES_DATABASE", "/zones/zones.db"))
SCHEMA = """
CREATE TABLE IF NOT EXISTS serials (zone TEXT PRIMARY KEY, serial INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS records (
    zone TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, ttl INTEGER NOT NULL,
    PRIMARY KEY (zone, name, kind)
);
"""
BUSY_SECONDS = 30
SIGNS = {"create": "+", "update": "~", "delete": "-"}

ZoneName = Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$", max_length=253)]
Key = tuple[str, str]


class Record(BaseModel):
    """A DNS record."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9@*._-]+$", max_length=253)]
    kind: Literal["A", "AAAA", "CNAME", "TXT"]
    # A person reads it in the plan: a line break would begin a line that the plan does not have.
    value: Annotated[str, Field(pattern=r"^[ -~]+$", max_length=255)]
    ttl: Annotated[int, Field(ge=30, le=86400)] = 300

    @property
    def key(self) -> Key:
        return self.name, self.kind

    def __str__(self) -> str:
        return f"{self.name} {self.ttl} {self.kind} {self.value}"


Records = Annotated[list[Record], Field(max_length=100, description="All records that the zone should have.")]


class Change(BaseModel):
    """One step of a plan."""

    action: Literal["create", "update", "delete"]
    before: Record | None = None
    after: Record | None = None

    def __str__(self) -> str:
        shown = [str(record) for record in (self.before, self.after) if record is not None]
        return f"{SIGNS[self.action]} {' -> '.join(shown)}"


class Approval(BaseModel):
    """What the user is asked."""

    apply: bool = Field(description="Make these changes?")


class ApprovalOfDeletion(BaseModel):
    """What the user is asked where something goes that no answer brings back."""

    apply: bool = Field(description="Make these changes, deletions included?")
    zone: str = Field(description="The zone's name, typed once more.")


class Applied(BaseModel):
    """What was planned and how much of it was done."""

    plan: list[str]
    applied: int
    serial: int


@dataclass(frozen=True)
class Zones:
    """The zones as they are."""

    connection: sqlite3.Connection

    def serial(self, zone: str) -> int:
        """Grows with every change of the zone; 0 where there was none."""
        found = self.connection.execute("SELECT serial FROM serials WHERE zone = ?", [zone]).fetchone()
        return int(found[0]) if found else 0

    def records(self, zone: str) -> list[Record]:
        query = "SELECT name, kind, value, ttl FROM records WHERE zone = ?"
        columns = ("name", "kind", "value", "ttl")
        return [Record(**dict(zip(columns, row, strict=True))) for row in self.connection.execute(query, [zone])]

    def change(self, zone: str, change: Change, serial: int) -> int:
        """Make one change of the zone that has this serial, whole or not at all; gives the new serial.

        Raises:
            ToolError: somebody else has changed the zone.
        """
        with self.connection:
            self.connection.execute("INSERT OR IGNORE INTO serials VALUES (?, 0)", [zone])
            query = "UPDATE serials SET serial = serial + 1 WHERE zone = ? AND serial = ?"
            if not self.connection.execute(query, [zone, serial]).rowcount:
                raise ToolError(f"{zone} has changed since the plan was made. Plan again")
            if change.before is not None:
                query = "DELETE FROM records WHERE zone = ? AND name = ? AND kind = ?"
                self.connection.execute(query, [zone, *change.before.key])
            if change.after is not None:
                record = change.after
                values = [zone, record.name, record.kind, record.value, record.ttl]
                self.connection.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?)", values)
        return serial + 1


def zones() -> Iterator[Zones]:
    """A connection of the call's own."""
    with closing(sqlite3.connect(DATABASE, timeout=BUSY_SECONDS)) as connection:
        connection.executescript(SCHEMA)
        yield Zones(connection)


@mcp.tool(task=False)
def plan_zone(zone: ZoneName, records: Records, known: Zones = Depends(zones)) -> list[str]:
    """What apply_zone would change. It asks nobody, and changes nothing."""
    return [str(change) for change in planned(known.records(zone), records)]


# A change that was begun is never made a second time by itself: no retries, and not idempotent.
@mcp.tool(task=TaskConfig(mode="required", template="changes", timeout=1800, input_timeout=24 * 3600))
async def apply_zone(
    zone: ZoneName,
    records: Records,
    ctx: Context,
    known: Zones = Depends(zones),
    progress: Progress = Progress(),
) -> Applied:
    """Bring a zone to these records. The user sees the plan first, and nothing changes without a yes."""
    serial = known.serial(zone)
    plan = planned(known.records(zone), records)
    lines = [str(change) for change in plan]
    if not plan:
        return Applied(plan=[], applied=0, serial=serial)
    if not await is_approved(zone, plan, ctx):
        return Applied(plan=lines, applied=0, serial=serial)
    progress.set_total(len(plan))
    for change in plan:
        # Between two changes a cancelled task ends here; what is done is done, and the next plan knows it.
        await asyncio.sleep(0)
        progress.set_message(str(change))
        serial = known.change(zone, change, serial)
        log.info("%s serial %s: %s", zone, serial, change)
        progress.increment()
    return Applied(plan=lines, applied=len(plan), serial=serial)


async def is_approved(zone: str, plan: list[Change], ctx: Context) -> bool:
    """Ask the user. Whoever deletes has to type the zone's name."""
    message = f"{zone}: {summary(plan)}\n" + "\n".join(f"  {change}" for change in plan)
    if not any(change.action == "delete" for change in plan):
        answer = await ctx.elicit(message, Approval)
        return answer.action == "accept" and answer.data.apply
    careful = await ctx.elicit(message, ApprovalOfDeletion)
    if careful.action != "accept" or not careful.data.apply:
        return False
    if careful.data.zone != zone:
        raise ToolError(f"Nothing was changed: the name that was typed is {careful.data.zone}, not {zone}")
    return True


def summary(plan: Iterable[Change]) -> str:
    """How many changes of each kind."""
    actions = [change.action for change in plan]
    return ", ".join(f"{actions.count(action)} to {action}" for action in ("create", "update", "delete"))


def planned(current: Iterable[Record], desired: Iterable[Record]) -> list[Change]:
    """The changes that lead from the current records to the desired ones; what is new comes first, deletions last.

    Raises:
        ToolError: two of the desired records have the same name and kind.
    """
    before = {record.key: record for record in current}
    after: dict[Key, Record] = {}
    for record in desired:
        if record.key in after:
            raise ToolError(f"{record.name} {record.kind} is there twice")
        after[record.key] = record
    created = [Change(action="create", after=after[key]) for key in sorted(after.keys() - before.keys())]
    updated = [
        Change(action="update", before=before[key], after=after[key])
        for key in sorted(after.keys() & before.keys())
        if before[key] != after[key]
    ]
    deleted = [Change(action="delete", before=before[key]) for key in sorted(before.keys() - after.keys())]
    return [*created, *updated, *deleted]
