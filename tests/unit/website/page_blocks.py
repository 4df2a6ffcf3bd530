"""Code blocks of all pages that readers are to copy from, and what of a block can be checked without running it."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema  # type: ignore[import-untyped]
import typer.main
import yaml

from mcptasks.cli import COMMANDS
from mcptasks.model.crds import KINDS, custom_resource_definition
from tests.unit.repository.pages import files
from tests.unit.repository.sources import ROOT

UNTESTED = Path(__file__).with_name("untested_blocks.toml")
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_SET = re.compile(r"--set(?:-file|-json|-string)? '?([\w.]+)=")


class PageBlock(NamedTuple):
    """A block of code in a page."""

    page: str
    language: str
    text: str

    @property
    def first_line(self) -> str:
        """What the block is known by on its page."""
        return self.text.splitlines()[0].split("   ")[0].strip()


def page_blocks() -> list[PageBlock]:
    """All blocks with a language, of the README, all pages of docs/ but the decisions, and those of the examples."""
    pages = sorted(
        file
        for file in files()
        if file == "README.md" or (file.startswith(("docs/", "examples/")) and file.endswith(".md"))
    )
    return [
        PageBlock(page, found[2], re.sub(rf"^{found[1]}", "", found[3], flags=re.MULTILINE))
        for page in pages
        for found in _BLOCK.finditer((ROOT / page).read_text())
    ]


def untested() -> list[dict[str, str]]:
    """The list of those that no test runs: page, first line, and what was done instead."""
    entries: list[dict[str, str]] = tomllib.loads(UNTESTED.read_text())["block"]
    return entries


def lines(text: str) -> Iterator[str]:
    """Commands of a shell block, joined where they go on in the next line."""
    joined = text.replace("\\\n", " ")
    waiting = ""
    for line in joined.splitlines():
        waiting += re.sub(r"(^| )#.*", "", line) + "\n"
        if waiting.count("'") % 2 == 0:
            yield from (part.strip() for part in waiting.split("; ") if part.strip())
            waiting = ""


def faults_of_command(line: str) -> list[str]:
    """What is wrong with a command of ours, of make's, or of Helm's values; nothing of others is known."""
    words = list(takewhile(lambda word: word not in ("|", "&", "&&"), shlex.split(line)))
    if words[:2] == ["kubectl", "mcptasks"]:
        words = words[1:]
    if words[0] == "mcptasks":
        return faults_of_ours(words[1:])
    if words[0] == "make":
        return [] if re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE) else [line]
    if words[0] == "helm":
        return [f"{line}: {key}" for key in _SET.findall(line) if not is_value(key)]
    return []


def faults_of_ours(words: Sequence[str]) -> list[str]:
    """Commands and options that `mcptasks` does not have."""
    entry = next((entry for entry in COMMANDS if entry.name == words[0]), None)
    if entry is None:
        return [f"mcptasks has no {words[0]}"]
    app = typer.Typer()
    app.command()(entry.load())
    command = typer.main.get_command(app)
    try:
        command.make_parser(command.context_class(command)).parse_args(list(words[1:]))
    except Exception as error:  # noqa: BLE001 - typer's exceptions of usage have no public class
        return [f"mcptasks {' '.join(words)}: {error}"]
    return []


@cache
def values_schema() -> dict[str, Any]:
    """The chart's own schema of its values."""
    schema: dict[str, Any] = json.loads((ROOT / "charts" / "mcptasks" / "values.schema.json").read_text())
    return schema


@cache
def default_values() -> dict[str, Any]:
    """The chart's values."""
    values: dict[str, Any] = yaml.safe_load((ROOT / "charts" / "mcptasks" / "values.yaml").read_text())
    return values


def merged(values: Any, over: Any) -> Any:
    """Values as Helm merges them: maps key by key, everything else as a whole."""
    if not isinstance(values, dict) or not isinstance(over, dict):
        return over
    return values | {key: merged(values.get(key), value) for key, value in over.items()}


def is_value(key: str) -> bool:
    """Whether the chart has that value."""
    at: Any = default_values()
    for part in key.split("."):
        if not isinstance(at, dict) or part not in at:
            return False
        at = at[part]
    return True


def faults_of_yaml(text: str) -> list[str] | None:
    """What is wrong with values of the chart or with an object of ours; None for what is neither."""
    for document in yaml.safe_load_all(text):
        if "apiVersion" not in document:
            if not set(document) <= set(values_schema()["properties"]):
                return None
            validator = jsonschema.validators.validator_for(values_schema())(values_schema())
            return [error.message for error in validator.iter_errors(merged(default_values(), document))]
        kind = next((kind for kind in KINDS if kind.kind == document["kind"]), None)
        if kind is None:
            return None
        schema = custom_resource_definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(document)]
    return None
