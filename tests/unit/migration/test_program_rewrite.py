"""Pieces of programs for FastMCP, and what they become."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from textwrap import dedent
from typing import Any

import pytest
from mcp.server.mcpserver import MCPServer

from mcptasks import TaskServer
from mcptasks.migration.findings import MigratedProgram
from mcptasks.migration.program_rewrite import migrated, servers_of
from mcptasks.migration.rules import COMPONENT_RULES, MOUNT_RULES, RUN_RULES, SERVER_RULES, ArgumentRules

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
            SERVER + "mcp.run(transport='http', path='/m', stateless=True)",
            SERVED + "mcp.run(transport='streamable-http', streamable_http_path='/m', stateless_http=True)",
        ),
        (SERVER + "mcp.run('http')", SERVED + "mcp.run('streamable-http')"),
        (SERVER + "mcp.mount('o', other)", SERVED + "mcp.mount(other, 'o')"),
        (
            "from fastmcp import FastMCP as Server\nimport fastmcp as f\n\ns = Server('x')\nt = f.FastMCP('y')",
            "from mcptasks import TaskServer, TaskServer as Server\n\ns = Server('x')\nt = TaskServer('y')",
        ),
        (
            "from fastmcp import FastMCP as FastMCP\n\ns = FastMCP('x')",
            "from mcptasks import TaskServer\n\ns = TaskServer('x')",
        ),
        (
            "import os, fastmcp\n\ns = fastmcp.FastMCP(os.name)",
            "from mcptasks import TaskServer\nimport os\n\ns = TaskServer(os.name)",
        ),
        (
            "from fastmcp import FastMCP; s = FastMCP('x')",
            "from mcptasks import TaskServer\ns = TaskServer('x')",
        ),
        (
            "if x: from fastmcp import Context\nelse: import fastmcp",
            "if x: from mcp.server.mcpserver import Context\nelse: pass",
        ),
        (
            "import fastmcp\n\nraise fastmcp.exceptions.ToolError('x')",
            "from mcp.server.mcpserver.exceptions import ToolError\n\nraise ToolError('x')",
        ),
        (
            "import fastmcp\n\ndef f(m: 'fastmcp.FastMCP'): ...",
            "from mcptasks import TaskServer\n\ndef f(m: 'TaskServer'): ...",
        ),
        (
            "from fastmcp import FastMCP, Context as C\n\ndef f(m: 'FastMCP', c: 'C'): ...",
            "from mcp.server.mcpserver import Context as C\nfrom mcptasks import TaskServer\n\n"
            "def f(m: 'TaskServer', c: 'C'): ...",
        ),
        (
            "from fastmcp.server.elicitation import AcceptedElicitation",
            "from mcp.server.elicitation import AcceptedElicitation",
        ),
        (
            "from fastmcp.prompts import Message\n\nm = Message('a', 'assistant')",
            "from mcp.server.mcpserver import AssistantMessage\n\nm = AssistantMessage('a')",
        ),
        (
            "from fastmcp.utilities.tasks import TaskConfig as TC\n" + SERVER + "mcp.tool(task=TC(ttl=1), timeout=2)",
            "from mcptasks import TaskConfig as TC, TaskServer\n\nmcp = TaskServer('x')\n"
            "mcp.tool(task=TC(ttl=1, timeout=2))",
        ),
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
@pytest.mark.parametrize(
    "parameter",
    [
        "ctx: Context",
        "ctx: Context | None = None",
        "ctx: Optional[Context] = None",
        "ctx: Union[None, Context] = None",
        "ctx: Annotated[Context, 'of the call']",
        "ctx: 'Context | None' = None",
        "ctx=CurrentContext()",
    ],
)
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
        "    from mcptasks import TaskServer",
        "    from fastmcp import Client",
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
        (CONTEXT + "c.client_supports_extension('x')\n", "`client_capabilities`"),
        ("async def g(): await mcp.get_tool('x')\n", "`list_tools`"),
        ("import fastmcp\nfastmcp.settings.port = 1\n", "settings are environment variables"),
        ("import fastmcp\nt = fastmcp.tools.Tool.from_function(f)\n", "write the tool as a function"),
        ("import fastmcp\nmcp2 = fastmcp.FastMCP.from_openapi(x)\n", "made from OpenAPI"),
        ("mcp2 = FastMCP.as_proxy(x)\n", "there is no proxy"),
        ("mcp2 = FastMCP('y', tools=[f])\n", "register each function"),
        ("mcp2 = FastMCP('y', nobody_knows=1)\n", "TaskServer does not take it"),
        ("mcp2 = FastMCP(**settings)\n", "look at what is in it"),
        ("@mcp.prompt(meta={})\ndef f(): ...\n", "TaskServer does not take it"),
        ("mcp.mount(other, as_proxy=True)\n", "with its own lifespan"),
        ("mcp.run(transport='http' if x else 'stdio')\n", "`streamable-http` here"),
        ("tools = mcp.get_tools()\n", "`list_tools`"),
        ("class Mine(FastMCP): ...\n", "those of TaskServer"),
        ("class Form: ...\n" + CONTEXT + "await c.elicit('?', Form)\n", "`elicit` for `Form`"),
        ("class Form(StrEnum): ...\n" + CONTEXT + "await c.elicit('?', Form)\n", "`elicit` for `Form`"),
        ("Form = Literal['a']\n" + CONTEXT + "await c.elicit('?', Form)\n", "`elicit` for `Form`"),
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


def test_a_line_with_other_statements_keeps_them_and_a_comment_its_place() -> None:
    program = moved(
        """
        from fastmcp import FastMCP
        # Docket has limits of its own.
        from docket import Timeout
        # Tasks.
        from fastmcp.utilities.tasks import TaskConfig
        import os
        """
    )
    assert program.after.splitlines() == [
        "# Docket has limits of its own.",
        "# Tasks.",
        "from mcptasks import TaskConfig, TaskServer",
        "from docket import Timeout",
        "import os",
    ]


def test_a_member_of_a_module_is_told_once() -> None:
    program = moved("import fastmcp\n\nx = fastmcp.server.nowhere.Thing.made()\n")
    assert by_hand(program) == [(3, "`fastmcp.server.nowhere.Thing.made`: has no counterpart")]
    assert "import fastmcp\n" in program.after


@pytest.mark.parametrize(
    "source",
    [
        "class Program:\n    mcp = FastMCP('x')\n\n@Program.mcp.tool\ndef f(): ...\n",
        "class P:\n    def __init__(self): self.mcp = FastMCP('x')\n\np = P()\n\n@p.mcp.tool\ndef f(): ...\n",
        "def make() -> FastMCP: ...\n\nmcp = make()\n\n@mcp.tool\ndef f(): ...\n",
        "def make():\n    made = FastMCP('x')\n    return made\n\nmcp = make()\n\n@mcp.tool\ndef f(): ...\n",
        "mcp = FastMCP('x') if x else FastMCP('y')\n\n@mcp.tool\ndef f(): ...\n",
        "def add(mcp: 'FastMCP'):\n    @mcp.tool\n    def f(): ...\n",
    ],
)
def test_a_server_is_known_wherever_it_is_made(source: str) -> None:
    assert "mcp.tool()\n" in migrated("from fastmcp import FastMCP\n\n" + source).after


def parameters(*functions: Callable[..., Any]) -> set[str]:
    return {name for function in functions for name in inspect.signature(function).parameters}


@pytest.mark.parametrize(
    ("rules", "taken"),
    [
        (SERVER_RULES, parameters(MCPServer.__init__, TaskServer.__init__)),
        (COMPONENT_RULES["tool"], parameters(TaskServer.tool)),
        (COMPONENT_RULES["prompt"], parameters(TaskServer.prompt)),
        (COMPONENT_RULES["resource"], parameters(TaskServer.resource)),
        (MOUNT_RULES, parameters(TaskServer.mount)),
        (RUN_RULES, parameters(MCPServer.run, MCPServer.run_sse_async, MCPServer.run_streamable_http_async)),
    ],
)
def test_an_argument_that_stays_is_one_that_mcptasks_takes(rules: ArgumentRules, taken: set[str]) -> None:
    assert rules.kept <= taken
    assert rules.harmless <= rules.removed.keys()


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
