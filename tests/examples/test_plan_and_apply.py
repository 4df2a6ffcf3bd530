"""A plan that asks before it is applied."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from mcptasks.client import Client, Elicitation, ToolResult
from mcptasks.model.base import JsonObject
from tests.examples.conftest import ServedExample
from tests.examples.gallery import check_page

pytestmark = pytest.mark.anyio

WWW = {"name": "www", "kind": "A", "value": "192.0.2.1"}
MAIL = {"name": "mail", "kind": "A", "value": "192.0.2.2"}
Answer = Callable[[Elicitation], JsonObject]


class Person:
    """Answers in one way, and remembers what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def __call__(self, question: Elicitation) -> JsonObject:
        self.asked.append(question.message)
        return self.answer(question)


async def applied(served: ServedExample, zone: str, records: list[JsonObject], person: Person) -> ToolResult:
    async with Client(served.url, on_elicitation=person) as client:
        return await client.call_tool("apply_zone", {"zone": zone, "records": records})


def agreeing(zone: str = "") -> Person:
    return Person(lambda question: {"apply": True} | ({"zone": zone} if zone else {}))


def test_its_page_shows_what_is_printed(served: ServedExample, tmp_path: Path) -> None:
    check_page("plan_and_apply", served.url, tmp_path)


async def test_nothing_changes_without_a_yes(served: ServedExample) -> None:
    refusing = Person(lambda question: {"apply": False})
    result = await applied(served, "no.example.com", [WWW], refusing)
    assert refusing.asked == ["no.example.com: 1 to create, 0 to update, 0 to delete\n  + www 300 A 192.0.2.1"]
    assert result.data == {"plan": ["+ www 300 A 192.0.2.1"], "applied": 0, "serial": 0}


@pytest.mark.parametrize("value", ["192.0.2.1\n  + mail 300 A 192.0.2.2", "192.0.2.1\n", "\u202e1.2.0.291", "x" * 256])
async def test_a_plan_shows_a_line_for_each_change_and_nothing_else(served: ServedExample, value: str) -> None:
    async with Client(served.url) as client:
        arguments = {"zone": "lines.example.com", "records": [WWW | {"value": value}]}
        result = await client.call_tool("plan_zone", arguments)
    assert result.is_error
    assert "records.0.value" in result.text


async def test_a_plan_is_applied_and_then_there_is_nothing_to_do(served: ServedExample) -> None:
    first = await applied(served, "a.example.com", [WWW, MAIL], agreeing())
    assert (first.data["applied"], first.data["serial"]) == (2, 2)
    changed = await applied(served, "a.example.com", [WWW | {"ttl": 60}, MAIL], agreeing())
    assert changed.data["plan"] == ["~ www 300 A 192.0.2.1 -> www 60 A 192.0.2.1"]
    again = await applied(served, "a.example.com", [WWW | {"ttl": 60}, MAIL], (unasked := agreeing()))
    assert (again.data["plan"], unasked.asked) == ([], [])
    async with Client(served.url) as client:
        plan = await client.call_tool("plan_zone", {"zone": "a.example.com", "records": [MAIL]})
    assert plan.data == ["- www 60 A 192.0.2.1"]


async def test_who_deletes_types_the_name_of_the_zone(served: ServedExample) -> None:
    await applied(served, "b.example.com", [WWW], agreeing())
    mistyped = await applied(served, "b.example.com", [], agreeing("a.example.com"))
    assert "Nothing was changed: the name that was typed is a.example.com, not b.example.com" in mistyped.text
    gone = await applied(served, "b.example.com", [], agreeing("b.example.com"))
    assert gone.data == {"plan": ["- www 300 A 192.0.2.1"], "applied": 1, "serial": 2}


async def test_a_plan_that_somebody_else_has_overtaken_is_not_applied(served: ServedExample) -> None:
    await applied(served, "c.example.com", [WWW], agreeing())

    def overtake(question: Elicitation) -> JsonObject:
        with sqlite3.connect(served.zones) as database:
            database.execute("UPDATE serials SET serial = serial + 1 WHERE zone = 'c.example.com'")
        database.close()
        return {"apply": True}

    result = await applied(served, "c.example.com", [WWW, MAIL], Person(overtake))
    assert result.is_error
    assert "c.example.com has changed since the plan was made. Plan again" in result.text
