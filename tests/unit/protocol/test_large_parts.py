"""Which parts of a stored result are held back, and that the rest is small whatever the result is."""

from __future__ import annotations

import json
import random
import tracemalloc
from typing import Any

import pytest

from mcptasks.model.base import JsonObject
from mcptasks.protocol.large_parts import LARGE_BYTES, large_parts, left_of
from mcptasks.protocol.raw_json import NotCompactJsonError
from mcptasks.settings import MIB

BIG = 'é\\"{[,]}\n' * 20_000
MANY: list[Any] = [{}] * 50_000


def text(content: str) -> JsonObject:
    return {"type": "text", "text": content}


RESULTS: dict[str, JsonObject] = {
    "structured": {"content": [], "structuredContent": {"rows": MANY}, "isError": False},
    "text": {"content": [text("a"), text(BIG), text("b"), text(BIG)]},
    "image": {"content": [{"type": "image", "data": "A" * 100_000, "mimeType": "image/png"}]},
    "resource": {"content": [{"type": "resource", "resource": {"uri": "a:b", "blob": "A" * 100_000}}]},
    "many texts": {"content": [text(str(number)) for number in range(20_000)]},
    "many and large": {"content": [text(str(number)) for number in range(20_000)] + [text(BIG)]},
    "messages": {"messages": [{"role": "assistant", "content": text(BIG)}], "description": BIG},
    "many messages": {"messages": [{"role": "user", "content": text("x")}] * 9000},
    "contents": {"contents": [{"uri": "a:b", "text": BIG}, {"uri": "a:c", "blob": "A" * 100_000}]},
    "many contents": {"contents": [{"uri": "a:b", "text": "x"}] * 9000},
    "meta": {"content": [], "_meta": {"a": MANY, "b": BIG, "c": {"d": MANY}, "e": 1}},
    "keys": {"content": [{"type": "text", "text": "x", BIG: 1}]},
}


class Held:
    """Puts what was held back where its token is."""

    def __init__(self) -> None:
        self.texts: dict[str, tuple[str, int]] = {}

    def hold(self, text: str, depth: int) -> str:
        token = f"token-{len(self.texts)}"
        self.texts[token] = (text, depth)
        return token

    def whole(self, shown: str) -> str:
        for token, (text, depth) in self.texts.items():
            start = shown.index(f'"{token}"')
            end = start + len(token) + 2
            for _ in range(depth):
                start, end = shown.rindex("{", 0, start), shown.index("}", end) + 1
            shown = shown[:start] + text + shown[end:]
        return shown


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS.keys())
@pytest.mark.parametrize("spaced", [False, True])
@pytest.mark.parametrize("escaped", [False, True])
def test_what_is_left_is_small_and_with_what_was_held_back_the_whole(
    result: JsonObject, spaced: bool, escaped: bool
) -> None:
    stored = json.dumps(result, ensure_ascii=escaped, separators=(" , ", " : ") if spaced else (",", ":"))
    held = Held()
    left = left_of(stored, large_parts(stored), held.hold)
    assert json.loads(left)
    assert len(left) < 2 * LARGE_BYTES
    assert json.loads(held.whole(left)) == result


def test_what_is_small_is_not_held_back() -> None:
    small = json.dumps({"content": [text("x" * 1000)] * 20, "structuredContent": {"a": [{}] * 100}})
    assert large_parts(small) == []


def test_what_no_result_has_is_dropped() -> None:
    stored = json.dumps({"content": [], "x": [{}] * 50_000}, separators=(",", ":"))
    assert left_of(stored, large_parts(stored), Held().hold) == '{"content":[],"x":null}'


WRONG = ('{"content":%s}', '{"structuredContent":%s}', '{"messages":%s}', '{"_meta":%s}', '{"isError":%s}')


@pytest.mark.parametrize("form", WRONG)
@pytest.mark.parametrize("value", [json.dumps(BIG), json.dumps(MANY), json.dumps({"a": MANY}), "1" * 100_000])
def test_a_large_value_of_a_wrong_kind_is_small_too(form: str, value: str) -> None:
    stored = form % value
    assert len(left_of(stored, large_parts(stored), Held().hold)) < 2 * LARGE_BYTES


def test_meta_with_many_large_members_cannot_be_sent() -> None:
    meta = {str(number): "x" * 40_000 for number in range(40)}
    with pytest.raises(NotCompactJsonError):
        large_parts(json.dumps({"content": [], "_meta": meta}))


@pytest.mark.parametrize("seed", range(30))
def test_any_strings_are_cut_where_they_begin_and_end(seed: int) -> None:
    numbers = random.Random(seed)
    alphabet = ['"', "\\", "\n", "{", "]", "é", "\U0001d11e", "a" * 500, ","]

    def string() -> str:
        return "".join(numbers.choices(alphabet, k=numbers.choice([1, 30, 40, 3000])))

    result = {"content": [text(string()) for _ in range(numbers.randrange(1, 60))]}
    stored, held = json.dumps(result, separators=(",", ":")), Held()
    assert json.loads(held.whole(left_of(stored, large_parts(stored), held.hold))) == result


@pytest.mark.parametrize(
    "form",
    [
        '{"content":[%s]}',
        '{"content": [%s]}',
        '{"structuredContent": {"a":[%s]}}',
        '{"structuredContent":[%s]}',
        '{"messages":[%s]}',
        '{"contents":[%s]}',
        '{"_meta":{"a":[%s]}}',
        '{"x":[%s]}',
        '{"content":[{"type":"text","text":"x","_meta":{"a":[%s]}}]}',
    ],
)
def test_a_result_of_many_values_takes_little_memory_wherever_they_are(form: str) -> None:
    stored = form % ",".join(["{}"] * (MIB // 3))
    assert any(peak_of(stored) < 4 * len(stored) for _ in range(3))


def peak_of(stored: str) -> int:
    """How much memory is used at a time, in bytes. Threads that other tests have left may add to it."""
    tracemalloc.start()
    try:
        json.loads(left_of(stored, large_parts(stored), Held().hold))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
