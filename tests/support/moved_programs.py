"""What is done with the programs of examples/from_fastmcp, and what they answer: before as after, in any version."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from mcptasks.client import Client, Elicitation, Task, ToolResult
from mcptasks.model.base import JsonObject

EXAMPLES = Path(__file__).parents[2] / "examples"
SECONDS = 120

Answers = Mapping[str, object]
Use = Callable[[Client, Path], Awaitable[Answers]]

LOG = "".join(
    f'{host} - - [28/Nov/2026:{hour:02}:00:00 +0000] "GET {path} HTTP/1.1" {status} 120\n'
    for host, hour, path, status in (
        ("10.0.0.1", 9, "/", 200),
        ("10.0.0.2", 9, "/", 200),
        ("10.0.0.1", 13, "/orders", 500),
        ("10.0.0.1", 9, "/", 404),
    )
)


def copied(name: str, folder: Path) -> Path:
    """The folder of a program, copied so that what the program writes is written there."""
    return Path(shutil.copytree(EXAMPLES / "from_fastmcp" / name, folder / name))


def answer(question: Elicitation) -> JsonObject:
    """What the user answers to all of them."""
    return {"proceed": True, "prefix": "trip-"} if "Rename" in question.message else {"overwrite": True}


async def ended(task: Task[ToolResult]) -> ToolResult:
    """The result of a call that must have become a task."""
    assert not task.returned_immediately
    return await task.result(timeout=SECONDS)


async def use_inventory(client: Client, folder: Path) -> Answers:
    """Book twice, once with too much, and look at the stock in every way there is."""
    bolts, nuts = {"article": "bolt", "amount": 5, "cents": 20}, {"article": "nut", "amount": 2, "cents": 10}
    booked = await ended(await client.call_tool("book", {"deliveries": [bolts, nuts]}, task=True))
    taken = [{"article": "bolt", "amount": -1}, {"article": "nut", "amount": -3}]
    refused = await client.call_tool("book", {"deliveries": taken})
    prompt = await client.get_prompt("reorder", {"below": 3}, task=True)
    card = await client.read_resource("stock://bolt", task=True)
    return {
        "booked": booked.data,
        "refused": refused.is_error and refused.text.removeprefix("Error executing tool book: "),
        "all or none": (await client.call_tool("valuation")).data,
        "inline": (await client.call_tool("amount", {"article": "nut"})).data,
        "prompt": (await prompt.result(timeout=SECONDS)).text,
        "resource": (await card.result(timeout=SECONDS)).text,
    }


async def use_renaming(client: Client, folder: Path) -> Answers:
    """Number two of three files, and take it back."""
    pictures = folder / "pictures"
    pictures.mkdir()
    for name in ("b.png", "a.png", "notes.txt"):
        (pictures / name).write_text(name)
    where = {"folder": str(pictures)}
    renamed = await ended(await client.call_tool("number_files", {**where, "pattern": "*.png"}, task=True))
    names = sorted(path.name for path in pictures.iterdir() if not path.name.startswith("."))
    undone = await ended(await client.call_tool("undo", where, task=True))
    return {
        "renamed": renamed.data,
        "names": names,
        "undone": undone.data,
        "as before": sorted(path.name for path in pictures.iterdir()),
        "inline": (await client.read_resource("names://7")).text,
    }


async def use_access_log(client: Client, folder: Path) -> Answers:
    """Summarise, draw and anonymise a log."""
    log = folder / "access.log"
    log.write_text(LOG)
    where = {"log": str(log)}
    summary = await ended(await client.call_tool("summarise", where, task=True))
    chart = await client.call_tool("chart", where)
    missing = await client.call_tool("summarise", {"log": str(folder / "missing.log")})
    anonymised = await client.call_tool("anonymise", where)
    return {
        "summary": summary.data,
        "picture": [(block["mimeType"], base64.b64decode(block["data"])[:4]) for block in chart.content],
        "missing": missing.is_error and missing.text.endswith("missing.log cannot be read: No such file or directory"),
        "anonymised": anonymised.text,
        "hosts": [line.split()[0] for line in log.read_text().splitlines()],
    }


USES: Mapping[str, Use] = {
    "inventory": use_inventory,
    "renaming": use_renaming,
    "access_log": use_access_log,
}

ANSWERS: Mapping[str, Answers] = {
    "inventory": {
        "booked": {"articles": 2, "amount": 7, "cents": 120},
        "refused": "There are only 2 of nut",
        "all or none": {"articles": 2, "amount": 7, "cents": 120},
        "inline": 2,
        "prompt": "Write an order to our suppliers for:\n- nut: 2 left",
        "resource": "bolt: 5 in stock",
    },
    "renaming": {
        "renamed": {"names": {"a.png": "trip-001.png", "b.png": "trip-002.png"}},
        "names": ["notes.txt", "trip-001.png", "trip-002.png"],
        "undone": {"names": {"trip-001.png": "a.png", "trip-002.png": "b.png"}},
        "as before": ["a.png", "b.png", "notes.txt"],
        "inline": "007",
    },
    "access_log": {
        "summary": {
            "requests": 4,
            "hosts": 2,
            "errors": {"404": 1, "500": 1},
            "busiest_hour": 9,
            "top_paths": [["/", 3], ["/orders", 1]],
        },
        "picture": [("image/png", b"\x89PNG")],
        "missing": True,
        "anonymised": "2 hosts replaced",
        "hosts": ["host-1", "host-2", "host-1", "host-1"],
    },
}
