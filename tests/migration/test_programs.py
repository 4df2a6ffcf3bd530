"""Ten programs as users of FastMCP 2, 3 and 4 write them, moved over by `mcptasks migrate`, and served.

`NAME_before.py` runs on the version of FastMCP that it names. `NAME_after.py` is what the command writes. Where that
leaves something to do by hand, `NAME_finished.py` is the program in which it is done.
"""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcptasks.cli.worker_option import workers_can_run
from mcptasks.client import Client, Elicitation
from mcptasks.dev.stack import LocalStack, StackConfig
from mcptasks.migration.program_rewrite import migrated
from mcptasks.model.base import JsonObject

FOLDER = Path(__file__).parent / "programs"
PROGRAMS = sorted(path.stem.removesuffix("_before") for path in FOLDER.glob("*_before.py"))
SECONDS = 120

BY_HAND = {
    "ledger": ["StaticTokenVerifier", "TimingMiddleware", "auth=", "middleware="],
    "rollout": ["Retry", "Timeout", "ctx.task_id"],
    "surveys": ["elicit", "ctx.get_state", "ctx.set_state"],
    "thumbnails": ["mcp.run_async"],
    "warehouse": ["mask_error_details=", "timeout=5"],
    "workshop": ["version="],
}
"""What is left to do, by the beginning of what is told."""

NOT_FINISHED = {"thumbnails", "warehouse", "workshop"}
"""Where that changes no answer of a tool."""


def text(program: str, state: str) -> str:
    return (FOLDER / f"{program}_{state}.py").read_text()


def is_finished(program: str) -> bool:
    return (FOLDER / f"{program}_finished.py").exists()


def served(program: str) -> str:
    """Which state of a program is served."""
    return "finished" if is_finished(program) else "after"


def test_there_are_ten_and_some_for_each_version() -> None:
    docstrings = [ast.get_docstring(ast.parse(text(program, "before"))) or "" for program in PROGRAMS]
    assert len(docstrings) == 10
    for version in ("2", "3", "4"):
        assert sum(f"For FastMCP {version}." in docstring for docstring in docstrings) >= 3


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_becomes_what_stands_beside_it(program: str) -> None:
    moved = migrated(text(program, "before"))
    assert moved.after == text(program, "after")
    told = [finding.text.lstrip("`") for finding in moved.by_hand]
    expected = BY_HAND.get(program, [])
    assert len(told) == len(expected), told
    assert all(one.startswith(start) for one, start in zip(told, expected, strict=True)), told


@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_is_left_to_change_in_what_is_served(program: str) -> None:
    rest = migrated(text(program, served(program)))
    assert not rest.changed
    assert (program in BY_HAND) == (is_finished(program) or program in NOT_FINISHED)
    assert [finding for finding in rest.by_hand if program not in NOT_FINISHED] == []


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """All of them, served as one."""
    files = [FOLDER / f"{program}_{served(program)}.py" for program in PROGRAMS]
    modules = [f"{file}:main" if file.stem == "workshop_after" else str(file) for file in files]
    with LocalStack(StackConfig(",".join(modules), warm=workers_can_run())) as stack:
        yield stack.endpoint


def answer(question: Elicitation) -> JsonObject:
    return {"agreed": True} if "agree" in question.message else {"street": "Main Street 1", "town": "Springfield"}


async def called(url: str, name: str, **arguments: object) -> object:
    """What a tool answers a client that takes tasks."""
    async with asyncio.timeout(SECONDS), Client(url, on_elicitation=answer) as client:
        result = await client.call_tool(name, dict(arguments))
    assert not result.is_error, result.text
    return result.data if result.data is not None else result.text


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("convert", {"amount": 2, "source": "km", "target": "m"}, 2000.0),
        ("list_units", {}, ["ft", "km", "m", "mi"]),
        ("save", {"title": "a", "text": "b"}, "a"),
        ("pay", {"hours": 2}, 43.0),
        ("raise_rate", {"percent": 10}, 23.65),
        ("load", {"rows": 250}, {"loaded": 250}),
        ("check", {"rows": 5}, "fine"),
        ("ping", {}, "pong"),
        ("move", {}, "Main Street 1, Springfield"),
        ("agree", {"topic": "this"}, True),
        ("bench_saw", {"length": 4, "pieces": 2}, [2.0, 2.0]),
        ("open", {"hour": 9}, True),
        ("write", {"text": "a"}, 1),
        ("size_of", {"width": 100, "height": 100}, 71),
        ("state", {"service": "shop"}, "shop: 3 of 3"),
        ("trace", {}, "none"),
    ],
)
async def test_its_tools_answer(url: str, name: str, arguments: dict[str, object], expected: object) -> None:
    assert await called(url, name, **arguments) == expected


@pytest.mark.anyio
async def test_a_task_knows_its_name(url: str) -> None:
    assert "shop runs anew, by task roll-out-" in str(await called(url, "roll_out", service="shop", steps=2))


@pytest.mark.anyio
async def test_pictures_files_prompts_and_resources_come_over(url: str) -> None:
    async with Client(url) as client:
        picture = await client.call_tool("thumbnail", {"width": 100, "height": 100})
        exported = await client.call_tool("exported", {})
        prompt = await client.get_prompt("summarise", {"title": "a"})
        unit = await client.read_resource("units://km")
    assert picture.content[0]["type"] == "image"
    assert exported.content[0]["type"] == "resource"
    assert [message["role"] for message in prompt.messages] == ["user", "assistant"]
    assert unit.text == "1 km = 1000.0 m"
