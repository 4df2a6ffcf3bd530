"""Pieces of programs for FastMCP, and what they become."""

from __future__ import annotations

from textwrap import dedent

import pytest

from mcptasks.migration.findings import MigratedProgram
from mcptasks.migration.program_rewrite import migrated, servers_of

SERVER = "from fastmcp import FastMCP\n\nmcp = FastMCP('x')\n"
CONTEXT = "from fastmcp import Context\nasync def f(c: Context): "
SERVED = "from mcptasks import TaskServer\n\nmcp = TaskServer('x')\n"


def moved(source: str) -> MigratedProgram:
    return migrated(dedent(source).lstrip("\n"))


def after_server(piece: str) -> MigratedProgram:
    """A piece of a program behind a server; `after` is without the server."""
    program = migrated(SERVER + dedent(piece))
    assert "TaskServer('x')" in program.after
    return program


def by_hand(program: MigratedProgram) -> list[tuple[int, str]]:
    return [(finding.line, finding.text) for finding in program.by_hand]


def test_a_program_of_anything_else_stays_as_it_is() -> None:
    source = "import os\n\nclass FastMCP: ...\n\nmcp = FastMCP()\n\n@mcp.tool\ndef f(): ...\n"
    assert migrated(source) == MigratedProgram(source, source, ())


def test_what_was_moved_over_is_not_moved_again() -> None:
    once = after_server("\n@mcp.tool\ndef f() -> int:\n    return 1\n").after
    assert not migrated(once).changed
    assert migrated(once).findings == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "from fastmcp import FastMCP as Server\n\ns = Server('x')",
            "from mcptasks import TaskServer as Server\n\ns = Server('x')",
        ),
        ("import fastmcp\n\ns = fastmcp.FastMCP('x')", "from mcptasks import TaskServer\n\ns = TaskServer('x')"),
        ("import fastmcp as f\n\ns = f.FastMCP('x')", "from mcptasks import TaskServer\n\ns = TaskServer('x')"),
        (
            "from fastmcp.server import FastMCP\n\ns: FastMCP = FastMCP()",
            "from mcptasks import TaskServer\n\ns: TaskServer = TaskServer()",
        ),
        (SERVER + "@mcp.tool\ndef f(): ...", SERVED + "@mcp.tool()\ndef f(): ..."),
        (SERVER + "@mcp.tool('name')\ndef f(): ...", SERVED + "@mcp.tool('name')\ndef f(): ..."),
        (SERVER + "@mcp.tool(tags={'a'})\ndef f(): ...", SERVED + "@mcp.tool()\ndef f(): ..."),
        (SERVER + "mcp.tool(f, name='g')", SERVED + "mcp.tool(name='g')(f)"),
        (SERVER + "mcp.mount(other, namespace='o')", SERVED + "mcp.mount(other, prefix='o')"),
        (
            SERVER + "mcp.run(transport='http', path='/m')",
            SERVED + "mcp.run(transport='streamable-http', streamable_http_path='/m')",
        ),
        (SERVER + "mcp.run('http')", SERVED + "mcp.run('streamable-http')"),
        (
            "from fastmcp import FastMCP\nm = FastMCP('x', 'what it does')",
            "from mcptasks import TaskServer\nm = TaskServer('x', instructions='what it does')",
        ),
        (
            "from fastmcp.prompts import Message\n\nm = [Message('a'), Message('b', role='assistant')]",
            "from mcp.server.mcpserver import AssistantMessage, UserMessage\n\n"
            "m = [UserMessage('a'), AssistantMessage('b')]",
        ),
    ],
)
def test_it_becomes(before: str, after: str) -> None:
    assert migrated(before + "\n").after == after + "\n"
    assert by_hand(migrated(before + "\n")) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ctx.elicit('a?', response_type=Form)", "ctx.elicit('a?', schema=Form)"),
        ("ctx.info(message='a')", "ctx.info(data='a')"),
        ("ctx.log('a', level='error')", "ctx.log('error', 'a')"),
        ("ctx.log(level='error', message='a', logger_name='l')", "ctx.log('error', 'a', logger_name='l')"),
        ("ctx.log('a')", "ctx.log(\"info\", 'a')"),
        ("ctx.lifespan_context['db'].run()", "ctx.request_context.lifespan_context['db'].run()"),
    ],
)
@pytest.mark.parametrize("parameter", ["ctx: Context", "ctx: Context | None = None", "ctx=CurrentContext()"])
def test_a_context_is_known_by_its_parameter(before: str, after: str, parameter: str) -> None:
    imports = "from fastmcp import Context\nfrom fastmcp.dependencies import CurrentContext\n"
    program = migrated(f"{imports}\nasync def f({parameter}):\n    {before}\n")
    assert program.after.splitlines()[-1] == f"    {after}"


def test_a_time_limit_of_a_tool_is_that_of_its_task() -> None:
    program = after_server("@mcp.tool(task=True, timeout=5)\ndef f(): ...\n")
    assert "@mcp.tool(task=TaskConfig(timeout=5))" in program.after
    assert "from mcptasks import TaskConfig, TaskServer\n" in program.after
    assert program.findings == ()


def test_imports_in_a_function_stay_there() -> None:
    program = moved(
        """
        def make():
            from fastmcp import FastMCP, Client
            return FastMCP("x")
        """
    )
    assert program.after.splitlines() == [
        "def make():",
        "    from fastmcp import Client",
        "    from mcptasks import TaskServer",
        '    return TaskServer("x")',
    ]


def test_comments_and_the_rest_of_the_imports_stay() -> None:
    program = moved(
        """
        # About the imports.
        from fastmcp import FastMCP  # the server
        from mcptasks.client import Client

        mcp = FastMCP("x")  # here
        """
    )
    assert program.after.splitlines() == [
        "# About the imports.",
        "from mcptasks import TaskServer",
        "from mcptasks.client import Client",
        "",
        'mcp = TaskServer("x")  # here',
    ]


@pytest.mark.parametrize(
    ("piece", "told"),
    [
        ("from fastmcp.server.middleware import Middleware\n", "middleware= of TaskServer"),
        ("from fastmcp.server.dependencies import get_context\n", "`ctx: Context`"),
        ("from fastmcp.nowhere import thing\n", "has no counterpart"),
        ("from docket import Timeout\n", "TaskConfig(timeout=...)"),
        ("from fastmcp import *\n", "import what is used by its name"),
        ("mcp2 = FastMCP('y', auth=provider)\n", "MCPTASKS_AUTH_ISSUER"),
        ("@mcp.tool(enabled=False)\ndef f(): ...\n", "leave the component out"),
        ("@mcp.tool(timeout=5)\ndef f(): ...\n", "task=TaskConfig(timeout=...)"),
        ("@mcp.tool(task=config, timeout=5)\ndef f(): ...\n", "timeout= of its TaskConfig"),
        ("mcp.add_middleware(m)\n", "middleware= of TaskServer"),
        ("app = mcp.http_app()\n", "`mcptasks serve` has the application"),
        (CONTEXT + "await c.elicit('?', response_type=bool)\n", "`elicit` for `bool`"),
        (CONTEXT + "await c.elicit('?', ['a', 'b'])\n", "`elicit` for `['a', 'b']`"),
        (CONTEXT + "await c.sample('?')\n", "the caller's model"),
        ("import fastmcp\nfastmcp.settings.port = 1\n", "settings are environment variables"),
    ],
)
def test_what_cannot_be_moved_over_is_told_with_its_line(piece: str, told: str) -> None:
    program = after_server(piece)
    lines = (SERVER + piece).splitlines()
    hits = [line for line, text in by_hand(program) if told in text]
    assert hits, program.findings
    assert all(lines[line - 1].strip() in piece for line in hits)


def test_what_nobody_misses_is_a_note() -> None:
    program = after_server("@mcp.tool(tags={'a'}, run_in_thread=True)\ndef f(): ...\nmcp.run()\n")
    assert program.by_hand == ()
    assert len(program.findings) == 3


def test_a_server_of_another_file_is_known_by_its_name() -> None:
    assert servers_of(SERVER) == {"mcp"}
    other = "from .server import mcp\n\n@mcp.tool\ndef f(): ...\n"
    assert not migrated(other).changed
    assert migrated(other, {"mcp"}).after == "from .server import mcp\n\n@mcp.tool()\ndef f(): ...\n"


def test_a_server_in_an_attribute_or_a_parameter_is_one_too() -> None:
    program = moved(
        """
        from fastmcp import FastMCP

        class Program:
            def __init__(self, server: FastMCP):
                self.mcp = server
                self.mcp.tool(self.run)
        """
    )
    assert "self.mcp.tool()(self.run)" in program.after
