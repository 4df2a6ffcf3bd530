"""Arguments and results as people read them: trees, tables, text, images, sound and files. Pure.

Nothing of it is HTML: templates write it as text.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from mcptasks.diagnostics.visible_text import visible
from mcptasks.model.base import JsonObject

MAX_NODES = 1500
MAX_DEPTH = 30
MAX_STRING = 4000
MAX_COLUMNS = 12
MAX_ROWS = 100
MAX_TEXT = 100_000
MAX_BLOCKS = 200
MAX_TABLES = 20
OPEN_LEVELS = 2
OPEN_CHILDREN = 12

IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"})
"""Shown in the page. An SVG is a program, and is only offered as a file."""

SOUNDS = frozenset({"audio/mpeg", "audio/ogg", "audio/wav", "audio/x-wav", "audio/webm", "audio/mp4", "audio/flac"})


@dataclass(frozen=True)
class TreeNode:
    """A JSON value, with its name in what it is part of. `children` is None for a value that has no parts."""

    name: str
    kind: str
    text: str
    children: Sequence[TreeNode] | None = None
    left_out: int = 0
    is_open: bool = False


@dataclass(frozen=True)
class ValueTable:
    """A list of flat objects as a table."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[str] = frozenset()
    left_out: int = 0


@dataclass(frozen=True)
class ContentView:
    """One block of a result: text, an image, a sound, or a file to download."""

    index: int
    kind: str
    text: str = ""
    mime_type: str = ""
    name: str = ""
    size: int = 0


@dataclass(frozen=True)
class ContentFile:
    """The bytes of such a block."""

    data: bytes
    mime_type: str
    name: str


@dataclass(frozen=True)
class ResultView:
    """A tool's result."""

    is_error: bool = False
    contents: Sequence[ContentView] = ()
    tables: Sequence[ValueTable] = ()
    tree: TreeNode | None = None


@dataclass
class _Budget:
    left: int = MAX_NODES


def tree(value: object, name: str = "") -> TreeNode:
    """The value as a tree of bounded size."""
    return _node(name, value, 0, _Budget())


def _node(name: str, value: object, depth: int, budget: _Budget) -> TreeNode:
    budget.left -= 1
    match value:
        case dict():
            return _parent(name, "object", [(str(key), item) for key, item in value.items()], depth, budget)
        case list():
            return _parent(name, "array", [(str(number), item) for number, item in enumerate(value)], depth, budget)
        case str():
            return TreeNode(name, "string", _bounded(value, MAX_STRING))
        case None:
            return TreeNode(name, "null", "null")
        case bool():
            return TreeNode(name, "boolean", "true" if value else "false")
        case _:
            return TreeNode(name, "number", str(value))


def _parent(name: str, kind: str, items: Sequence[tuple[str, object]], depth: int, budget: _Budget) -> TreeNode:
    children = []
    if depth < MAX_DEPTH:
        for key, item in items:
            if budget.left <= 0:
                break
            children.append(_node(visible(key), item, depth + 1, budget))
    noun = "key" if kind == "object" else "item"
    text = f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"
    is_open = depth == 0 or (depth < OPEN_LEVELS and len(items) <= OPEN_CHILDREN)
    return TreeNode(name, kind, text, children, len(items) - len(children), is_open)


def table(name: str, value: object) -> ValueTable | None:
    """The value as a table; None where it is no list of flat objects."""
    if not isinstance(value, list) or not value or not all(isinstance(row, dict) and row for row in value):
        return None
    columns = list(dict.fromkeys(key for row in value[:MAX_ROWS] for key in row))
    cells = [cell for row in value[:MAX_ROWS] for cell in row.values()]
    if len(columns) > MAX_COLUMNS or any(isinstance(cell, dict | list) for cell in cells):
        return None
    shown = value[:MAX_ROWS]
    numeric = frozenset(
        column
        for column in columns
        if all(isinstance(row.get(column), int | float) and not isinstance(row.get(column), bool) for row in shown)
    )
    rows = [[_cell(row.get(column)) for column in columns] for row in shown]
    return ValueTable(name, columns, rows, numeric, len(value) - len(shown))


def _cell(value: object) -> str:
    if value is None:
        return ""
    return _bounded(value if isinstance(value, str) else json.dumps(value), 500)


def _bounded(text: str, limit: int) -> str:
    shown = visible(text[:limit])
    return f"{shown} … [{len(text) - limit} more characters]" if len(text) > limit else shown


def result_view(result: object) -> ResultView:
    """How the result of a call is shown, of whatever kind of component."""
    if not isinstance(result, dict):
        return ResultView(tree=tree(result))
    blocks = blocks_of(result)
    structured = result.get("structuredContent")
    contents = [_content(index, block) for index, block in enumerate(blocks[:MAX_BLOCKS])]
    if len(blocks) > MAX_BLOCKS:
        contents.append(ContentView(MAX_BLOCKS, "text", f"… [{len(blocks) - MAX_BLOCKS} more blocks]"))
    if structured is not None:
        contents = [shown for shown in contents if not _repeats(shown, structured)]
        tables = _tables(structured)
        return ResultView(bool(result.get("isError")), contents, tables, tree(structured))
    return ResultView(bool(result.get("isError")), contents, (), None if blocks else tree(result))


def blocks_of(result: Mapping[str, object]) -> list[JsonObject]:
    """The blocks of content, of a tool's, a prompt's or a resource's result."""
    found: list[object] = []
    if isinstance(content := result.get("content"), list):
        found = content
    elif isinstance(messages := result.get("messages"), list):
        found = [message.get("content") for message in messages if isinstance(message, dict)]
    elif isinstance(contents := result.get("contents"), list):
        found = [{"type": "resource", "resource": resource} for resource in contents]
    return [block for block in found if isinstance(block, dict)]


def _tables(structured: object) -> list[ValueTable]:
    named = structured.items() if isinstance(structured, dict) else [("", structured)]
    found = (table(str(name), value) for name, value in named)
    return list(islice((each for each in found if each is not None), MAX_TABLES))


def _repeats(shown: ContentView, structured: object) -> bool:
    """Whether the text is the structured content once more, as servers send it for older clients."""
    if shown.kind != "text" or not shown.text.lstrip().startswith(("{", "[")):
        return False
    try:
        said = json.loads(shown.text)
        return bool(said == structured or (isinstance(structured, dict) and structured.get("result") == said))
    except (ValueError, RecursionError):
        return False


def _content(index: int, block: JsonObject) -> ContentView:
    kind = block.get("type")
    if kind == "text":
        return ContentView(index, "text", _bounded(str(block.get("text", "")), MAX_TEXT))
    if kind == "resource_link":
        return ContentView(index, "link", visible(str(block.get("uri", ""))), name=visible(str(block.get("name", ""))))
    found = content_file(block, index)
    if found is None:
        return ContentView(index, "text", _bounded(json.dumps(block, ensure_ascii=False), MAX_TEXT))
    shown_as = "image" if found.mime_type in IMAGES else "audio" if found.mime_type in SOUNDS else "file"
    notes = block.get("annotations")
    title = notes.get("title") if isinstance(notes, dict) else None
    alternative = visible(str(title or found.name))
    return ContentView(index, shown_as, alternative, found.mime_type, found.name, len(found.data))


def content_file(block: JsonObject, index: int) -> ContentFile | None:
    """The bytes of a block; None where it has none."""
    resource = block.get("resource")
    if block.get("type") == "resource" and isinstance(resource, dict):
        name = str(resource.get("uri", "")).rstrip("/").rpartition("/")[2] or f"resource-{index + 1}"
        mime_type = str(resource.get("mimeType") or "application/octet-stream")
        if isinstance(resource.get("text"), str):
            return ContentFile(resource["text"].encode("utf-8", "replace"), "text/plain", safe_name(name))
        return _decoded(resource.get("blob"), mime_type, safe_name(name))
    if block.get("type") in ("image", "audio"):
        mime_type = str(block.get("mimeType") or "application/octet-stream")
        suffix = mime_type.rpartition("/")[2].partition("+")[0].removeprefix("x-")
        return _decoded(block.get("data"), mime_type, safe_name(f"{block['type']}-{index + 1}.{suffix}"))
    return None


def _decoded(data: object, mime_type: str, name: str) -> ContentFile | None:
    try:
        return ContentFile(base64.b64decode(str(data or ""), validate=True), mime_type, name)
    except (binascii.Error, ValueError):
        return None


def safe_name(name: str) -> str:
    """The name as a file may be called that a browser saves."""
    kept = "".join(character if character.isalnum() or character in "._-" else "_" for character in name)
    return kept.encode("ascii", "ignore").decode().lstrip(".")[:100] or "file"
