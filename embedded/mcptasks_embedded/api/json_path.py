"""The part of kubectl's JSONPath that printer columns use: names, indexes, `[*]` and equality filters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

_TOKEN = re.compile(
    r"""\.(?P<name>(?:\\.|[^.\[\\])+)
    | \[\s*'(?P<quoted>[^']*)'\s*\]
    | \[\s*"(?P<double>[^"]*)"\s*\]
    | \[(?P<index>-?\d+)\]
    | \[(?P<all>\*)\]
    | \[\?\(\s*@(?P<left>[^=!\s]+)\s*(?P<op>==|!=)\s*(?P<right>[^)]+?)\s*\)\]""",
    re.VERBOSE,
)
_Step = Callable[[Any], Iterator[Any]]


def _name(name: str) -> _Step:
    def step(value: Any) -> Iterator[Any]:
        if name == "*" and isinstance(value, dict):
            yield from value.values()
        elif isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _index(index: int) -> _Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= index < len(value):
            yield value[index]

    return step


def _each(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        yield from value.values()


def _literal(text: str) -> Any:
    if text[0] in "'\"":
        return text[1:-1]
    words = {"true": True, "false": False, "null": None}
    if text in words:
        return words[text]
    return float(text)


def _filter(left: str, negated: bool, right: Any) -> _Step:
    def step(value: Any) -> Iterator[Any]:
        for item in value if isinstance(value, list) else ():
            found = find(item, left)
            if found and (found[0] == right) != negated:
                yield item

    return step


@lru_cache(maxsize=512)
def _parse(path: str) -> tuple[_Step, ...]:
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    if text and text[0] not in ".[":
        text = f".{text}"
    steps: list[_Step] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"JSONPath not understood: {path}")
        steps.append(_step(match))
        position = match.end()
    return tuple(steps)


def _step(match: re.Match[str]) -> _Step:
    if match["all"]:
        return _each
    if match["index"] is not None:
        return _index(int(match["index"]))
    if match["left"] is not None:
        return _filter(match["left"], match["op"] == "!=", _literal(match["right"]))
    name = match["name"] or match["quoted"] or match["double"] or ""
    return _name(re.sub(r"\\(.)", r"\1", name))


def find(value: Any, path: str) -> list[Any]:
    """All values at `path`. Raises ValueError for a path outside the supported syntax."""
    found = [value]
    for step in _parse(path):
        found = [inner for outer in found for inner in step(outer)]
    return found
