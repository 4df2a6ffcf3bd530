"""`mcptasks tools`, and how tools look in a terminal."""

from __future__ import annotations

import json

import pytest

from mcptasks.cli import main
from mcptasks.cli.tool_signature import call_line, component_text
from mcptasks.client import ListedResource, Tool
from mcptasks.model.base import JsonObject
from tests.unit.client.fake_server import OLD, FakeServer

SCHEMA: JsonObject = {
    "type": "object",
    "properties": {
        "year": {"type": "integer"},
        "colour": {"enum": ["red", "green"]},
        "rows": {"type": "array", "items": {"$ref": "#/$defs/Row"}},
        "folder": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "extra": {},
    },
    "required": ["year", "colour", "rows"],
    "$defs": {"Row": {"type": "object"}},
}
TOOL = Tool("report", "Reports a\nyear.\n\nIn detail.", SCHEMA)


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["tools", *words])
    captured = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, captured.out, captured.err


def test_tools_are_listed_with_what_they_take(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = shown(capsys, server.url)
    assert (code, out) == (0, "work(top: integer = ..., names: array = ...)\n\nquick()\n    At once.\n\n")
    assert err.splitlines()[-1] == f"  mcptasks call {server.url} work"


def with_others(server: FakeServer) -> FakeServer:
    arguments = [{"name": "topic", "required": True}, {"name": "n"}]
    server.lists = {
        "prompts/list": {"prompts": [{"name": "review", "arguments": arguments}]},
        "resources/list": {"resources": [{"uri": "doc://index", "name": "index", "description": "All."}]},
        "resources/templates/list": {"resourceTemplates": [{"uriTemplate": "doc://{year}", "name": "of_year"}]},
    }
    return server


def test_prompts_and_resources_follow_the_tools(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = shown(capsys, with_others(server).url)
    assert code == 0
    assert out.split("\n\n") == [
        *("Tools", "work(top: integer = ..., names: array = ...)", "quick()\n    At once."),
        *("Prompts", "review(topic, n = ...)"),
        *("Resources", "doc://index\n    All.", "doc://{year}", ""),
    ]
    assert err.splitlines()[1:] == [
        f"  mcptasks call {server.url} work",
        f"  mcptasks call {server.url} review --arg topic=...",
        f"  mcptasks call {server.url} doc://index",
    ]


@pytest.mark.parametrize(
    ("option", "names"), [("--prompts", "review\n"), ("--resources", "doc://index\ndoc://{year}\n")]
)
def test_they_can_be_listed_alone(
    server: FakeServer, capsys: pytest.CaptureFixture[str], option: str, names: str
) -> None:
    assert shown(capsys, with_others(server).url, option, "-o", "name") == (0, names, "")
    assert len(json.loads(shown(capsys, server.url, option, "-o", "json")[1])) == names.count("\n")


def test_a_server_without_them_says_so(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, server.url, "--prompts") == (0, "", f"{server.url} has no prompts.\n")


def test_names_alone_go_line_by_line(new: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, new.url, "-o", "name") == (0, "work\nquick\n", "")


def test_json_is_the_list_as_it_came(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    listed = json.loads(shown(capsys, server.url, "-o", "json")[1])
    assert listed == [*FakeServer._tools(None)["tools"], *FakeServer._tools("2")["tools"]]


def test_the_protocol_can_be_chosen(new: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, new.url, "--protocol", OLD)[0] == 1
    assert shown(capsys, new.url, "--protocol", "1999")[0] == 2


def test_a_signature_has_types_choices_and_defaults() -> None:
    assert component_text(TOOL, 200).splitlines() == [
        'report(year: integer, colour: "red"|"green", rows: array of object, folder: string = null, extra = ...)',
        "    Reports a year.",
        "    In detail.",
    ]


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    long = Tool("report", "word " * 100, SCHEMA)
    assert max(map(len, component_text(long, width).splitlines())) <= width


def test_a_line_to_paste_has_a_value_for_each_argument_that_is_needed() -> None:
    words = "--arg year=1 --arg colour=red --arg 'rows=[]'"
    assert call_line("http://h/mcp", TOOL) == f"mcptasks call http://h/mcp report {words}"


def test_so_does_one_of_a_resource_template() -> None:
    template = ListedResource("data://{year}/{month}", "")
    line = call_line("http://h/mcp", template)
    assert line == "mcptasks call http://h/mcp 'data://{year}/{month}' --arg year=... --arg month=..."
