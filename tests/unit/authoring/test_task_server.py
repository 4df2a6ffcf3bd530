"""TaskServer is an MCPServer, plus `task=`."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.resources import TextResource
from mcp.server.mcpserver.tools import Tool
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent, ToolAnnotations

from mcptasks import Depends, TaskConfig, TaskConfigError, TaskServer, progress
from mcptasks.authoring.call_facts import CallFacts
from mcptasks.authoring.call_scope import call_scope, ends_no_server
from mcptasks.authoring.component_target import ComponentTarget
from mcptasks.authoring.shared_values import SharedValues
from mcptasks.model.task import ComponentKind
from mcptasks.model.task_config import DeclarationError
from tests.unit.authoring.task_configs import config_of

pytestmark = pytest.mark.anyio

TOOL = ComponentKind.TOOL


def found(mcp: TaskServer[Any], name: str) -> ComponentTarget:
    """The tool of that name."""
    target = mcp.catalogue.find(TOOL, name)
    assert target is not None
    return target


def program(kind: type[MCPServer[Any]]) -> MCPServer[Any]:
    """A program written for MCPServer."""
    mcp = kind("greeter", "The greeter", instructions="Greet.", version="1.2")

    @mcp.tool(title="Greeting", annotations=ToolAnnotations(read_only_hint=True))
    def greet(name: str) -> str:
        """Say hello."""
        return f"Hello, {name}"

    @mcp.tool()
    async def shout(name: str, ctx: Context[Any, Any]) -> str:
        await ctx.report_progress(1, 2, "inhaling")
        return f"HELLO, {name}"

    @mcp.resource("greeting://{name}")
    def greeting(name: str) -> str:
        return f"Hello, {name}"

    @mcp.prompt()
    def ask(name: str) -> str:
        return f"Greet {name}"

    return mcp


async def test_an_mcpserver_program_moves_over_by_changing_the_class() -> None:
    async with Client(program(MCPServer)) as before, Client(program(TaskServer)) as after:
        assert await before.list_tools() == await after.list_tools()
        assert await before.list_prompts() == await after.list_prompts()
        assert await before.list_resource_templates() == await after.list_resource_templates()
        for tool in ("greet", "shout"):
            assert await before.call_tool(tool, {"name": "x"}) == await after.call_tool(tool, {"name": "x"})


async def test_a_server_without_a_cluster_offers_no_tasks_and_runs_everything_inline() -> None:
    mcp: TaskServer[Any] = TaskServer("inline", tasks=True)

    @mcp.tool(task=TaskConfig(mode="required"))
    def add(a: int, b: int) -> int:
        return a + b

    async with Client(mcp) as client:
        (tool,) = (await client.list_tools()).tools
        assert tool.execution is None
        result = await client.call_tool("add", {"a": 1, "b": 2})
        assert result.structured_content == {"result": 3}


def test_the_decorators_option_wins_over_the_servers() -> None:
    mcp: TaskServer[Any] = TaskServer("s", tasks=TaskConfig(retries=1))

    @mcp.tool()
    def inherits() -> None: ...

    @mcp.tool(task=False)
    def never() -> None: ...

    @mcp.tool(name="named", task=TaskConfig(mode="required"))
    def other() -> None: ...

    assert config_of(mcp, TOOL, "inherits") == TaskConfig(retries=1)
    assert config_of(mcp, TOOL, "never") == TaskConfig(mode="forbidden")
    assert config_of(mcp, TOOL, "named") == TaskConfig(mode="required")
    assert config_of(mcp, TOOL, "other") is None
    mcp.remove_tool("named")
    assert config_of(mcp, TOOL, "named") is None


def test_tools_do_not_run_as_tasks_unless_somebody_says_so() -> None:
    mcp: TaskServer[Any] = TaskServer("s")
    mcp.add_tool(lambda: None, name="quiet")
    assert config_of(mcp, TOOL, "quiet") == TaskConfig(mode="forbidden")


def test_a_wrong_option_names_the_tool() -> None:
    mcp: TaskServer[Any] = TaskServer("s")
    with pytest.raises(TaskConfigError, match="tool 'wrong': task='yes': use True, False or TaskConfig"):

        @mcp.tool(task="yes")  # type: ignore[arg-type]
        def wrong() -> None: ...


def test_a_decorator_without_parentheses_is_explained() -> None:
    mcp: TaskServer[Any] = TaskServer("s")
    with pytest.raises(TypeError, match=r"write @mcp\.tool\(\)"):
        mcp.tool(lambda: None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"write @mcp\.prompt\(\)"):
        mcp.prompt(lambda: None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"write @mcp\.resource\('scheme://path'\)"):
        mcp.resource(lambda: None)  # type: ignore[arg-type]


def test_two_components_of_a_name_are_refused_with_both_places() -> None:
    mcp: TaskServer[Any] = TaskServer("s")

    @mcp.tool()
    def same() -> None: ...

    here = rf"{__file__}:\d+"
    with pytest.raises(DeclarationError, match=rf"tool 'same' is declared twice: at {here} and at {here}\. Rename"):
        mcp.add_tool(lambda: None, name="same")
    text = TextResource(uri="a://text", text="x")
    mcp.add_resource(text)
    with pytest.raises(DeclarationError, match=rf"resource 'a://text' is declared twice: at {here} and at {here}\."):
        mcp.resource("a://text", name="text")(lambda: "y")
    mcp.prompt("ask")(lambda: "x")
    mcp.remove_prompt("ask")
    mcp.prompt("ask")(lambda: "y")


def test_what_the_sdk_refuses_is_refused_with_its_words_and_not_declared() -> None:
    mcp: TaskServer[Any] = TaskServer("s")
    with pytest.raises(ValueError, match="no URI template variables, but the handler declares parameters"):
        mcp.resource("a://fixed")(lambda name: name)
    with pytest.raises(ValueError, match="Mismatch between URI parameters"):
        mcp.resource("a://{name}")(lambda other: other)
    assert config_of(mcp, ComponentKind.RESOURCE, "a://fixed") is None
    mcp.resource("a://fixed", name="fixed")(lambda: "x")
    assert config_of(mcp, ComponentKind.RESOURCE, "a://fixed") == TaskConfig(mode="forbidden")


def test_every_kind_of_component_inherits_the_servers_default() -> None:
    text = TextResource(uri="a://given", text="x")
    mcp: TaskServer[Any] = TaskServer("s", tasks=True, resources=[text], tools=[Tool.from_function(lambda: 1, "given")])
    mcp.prompt("asked")(lambda: "x")
    mcp.resource("a://{name}/read", name="read")(lambda name: "x")
    mcp.resource("a://never", name="never", task=False)(lambda: "x")
    configured = {
        (kind.value, name): config_of(mcp, kind, name)
        for kind, name in [
            (TOOL, "given"),
            (ComponentKind.PROMPT, "asked"),
            (ComponentKind.RESOURCE, "a://given"),
            (ComponentKind.RESOURCE, "a://x/read"),
            (ComponentKind.RESOURCE, "a://never"),
        ]
    }
    assert list(configured.values()) == [TaskConfig()] * 4 + [TaskConfig(mode="forbidden")]


def test_a_wrong_default_names_the_argument() -> None:
    with pytest.raises(TaskConfigError, match="TaskServer: tasks='all': use True, False or TaskConfig"):
        TaskServer("s", tasks="all")  # type: ignore[arg-type]


def test_the_decorators_take_all_that_mcpservers_take() -> None:
    for name in ("tool", "add_tool", "prompt", "add_prompt", "resource", "add_resource"):
        ours = inspect.signature(getattr(TaskServer, name)).parameters
        theirs = inspect.signature(getattr(MCPServer, name)).parameters
        assert list(theirs) == [parameter for parameter in ours if parameter != "task"]


def test_an_idempotent_hint_is_known() -> None:
    mcp: TaskServer[Any] = TaskServer("s")
    mcp.add_tool(lambda: None, name="twice", annotations=ToolAnnotations(idempotent_hint=True))
    mcp.add_tool(lambda: None, name="once")
    assert found(mcp, "twice").is_idempotent
    assert not found(mcp, "once").is_idempotent


@pytest.mark.parametrize("synchronous", [True, False])
async def test_progress_of_an_inline_call_reaches_its_caller(synchronous: bool) -> None:
    mcp: TaskServer[Any] = TaskServer("s")

    @mcp.tool()
    def count() -> str:
        progress(1, 2, "one of two")
        return "done"

    @mcp.tool()
    async def count_async() -> str:
        progress(1, 2, "one of two")
        return "done"

    heard: list[tuple[float, float | None, str | None]] = []

    async def listen(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    async with Client(mcp) as client:
        tool = "count" if synchronous else "count_async"
        result = await client.call_tool(tool, {}, progress_callback=listen)
    assert result.content == [TextContent(type="text", text="done")]
    assert heard == [(1, 2, "one of two")]


def test_run_names_what_it_does_not_run_as_tasks(caplog: pytest.LogCaptureFixture) -> None:
    mcp: TaskServer[Any] = TaskServer("alone")
    mcp.tool()(greet)
    with pytest.raises(ValueError, match="Unknown transport"):
        mcp.run("none")  # type: ignore[arg-type]
    assert not caplog.messages
    mcp.prompt("asked", task=TaskConfig(mode="required"))(lambda: "x")
    mcp.tool("slow", task=True)(greet)
    with pytest.raises(ValueError, match="Unknown transport"):
        mcp.run("none")  # type: ignore[arg-type]
    (told,) = caplog.messages
    assert "nothing can kill them: tool 'slow', prompt 'asked'. `mcptasks dev`" in told


def test_progress_outside_of_a_call_does_nothing() -> None:
    progress(1, 2, "nobody listens")


async def test_what_runs_inline_because_nobody_has_chosen_is_known() -> None:
    mcp: TaskServer[Any] = TaskServer("choices", tasks=True)
    chosen: dict[str, TaskConfig | bool | None] = {
        "left": None,
        "also_left": TaskConfig(timeout=5),
        "inline": TaskConfig(without_tasks="inline"),
        "wait": TaskConfig(without_tasks="wait"),
        "refuse": TaskConfig(without_tasks="refuse"),
        "required": TaskConfig(mode="required"),
        "never": False,
    }
    for name, task in chosen.items():
        mcp.tool(name=name, task=task)(lambda: "x")
        mcp.prompt(name=name, task=task)(lambda: "x")
        mcp.resource(f"x://{name}", name=name, task=task)(lambda: "x")
        mcp.resource(f"x://{name}/{{a}}", name=name, task=task)(lambda a: "x")
    others = [
        *("prompt 'also_left'", "prompt 'left'"),
        *("resource 'x://also_left'", "resource 'x://left'"),
        *("resource template 'x://also_left/{a}'", "resource template 'x://left/{a}'"),
    ]

    def unchosen(*, task_tools: bool, warm: bool = False) -> list[str]:
        return mcp.catalogue.inline_unchosen(task_tools=task_tools, is_warm=lambda _template: warm)

    assert unchosen(task_tools=False) == ["tool 'also_left'", "tool 'left'", *others]
    assert unchosen(task_tools=True) == others
    assert unchosen(task_tools=False, warm=True) == []


def test_templates_that_nobody_can_make_are_known_with_what_names_them() -> None:
    mcp = TaskServer("greeter")
    for name, template in {
        "b": "Not_A_Name",
        "a": "Not_A_Name",
        "c": "my gpu",
        "d": "gpu",
        "e": "gpu",
        "f": "",
    }.items():
        mcp.tool(name=name, task=TaskConfig(template=template))(lambda: "x")
    mcp.tool(name="plain")(lambda: "x")
    mcp.prompt(name="p", task=TaskConfig(template="Not_A_Name"))(lambda: "x")
    assert mcp.catalogue.templates == ["gpu"]
    assert mcp.catalogue.impossible_templates == {
        "Not_A_Name": ["tool 'b'", "tool 'a'", "prompt 'p'"],
        "my gpu": ["tool 'c'"],
    }


class OddEnding(BaseException):
    """Of an author or a library, as `pytest.fail` and a panic of Rust raise it."""


ENDINGS: dict[str, Callable[[], BaseException]] = {
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt,
    "OddEnding": lambda: OddEnding("odd"),
    "CancelledError": asyncio.CancelledError,
    "SystemExit: 4": lambda: BaseExceptionGroup("", [SystemExit(4)]),
}


@pytest.mark.parametrize("shown", ENDINGS)
@pytest.mark.parametrize("synchronous", [True, False])
async def test_a_tool_that_wants_to_end_the_process_ends_its_own_call_alone(shown: str, synchronous: bool) -> None:
    mcp = TaskServer("greeter")

    def leave() -> str:
        raise ENDINGS[shown]()

    async def leave_later() -> str:
        return leave()

    mcp.tool(name="leave")(leave if synchronous else leave_later)
    mcp.tool()(greet)
    async with Client(mcp) as client:
        ended = await client.call_tool("leave")
        assert ended.is_error
        (block,) = ended.content
        assert isinstance(block, TextContent)
        assert f": {shown}" in block.text or f".{shown}" in block.text
        assert "in leave" in block.text
        assert not (await client.call_tool("greet", {"name": "Ann"})).is_error


def greet(name: str) -> str:
    return f"Hello, {name}"


async def test_a_task_group_of_a_tool_that_ends_ends_its_own_call_alone() -> None:
    mcp = TaskServer("greeter")

    async def fail() -> None:
        raise OddEnding("odd")

    @mcp.tool()
    async def work() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(fail)

    mcp.tool()(greet)
    async with Client(mcp) as client:
        for _ in range(2):
            ended = await client.call_tool("work")
            assert ended.is_error
            assert "OddEnding: odd" in getattr(ended.content[0], "text", "")
        assert not (await client.call_tool("greet", {"name": "Ann"})).is_error


async def test_a_dependency_that_ends_while_it_closes_ends_its_own_call_alone() -> None:
    mcp = TaskServer("greeter")

    async def connection() -> AsyncIterator[int]:
        yield 1
        raise OddEnding("odd")

    @mcp.tool()
    async def work(one: int = Depends(asynccontextmanager(connection))) -> int:
        return one

    mcp.tool()(greet)
    async with Client(mcp) as client:
        with pytest.raises(MCPError, match=r"A dependency of the call could not be closed: .*OddEnding: odd"):
            await client.call_tool("work")
        assert not (await client.call_tool("greet", {"name": "Ann"})).is_error


async def test_a_group_of_a_cancelled_call_is_its_cancellation() -> None:
    async def work() -> None:
        async with call_scope(CallFacts(), SharedValues()):
            with ends_no_server():
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError as cancelled:
                    raise BaseExceptionGroup("", [cancelled, SystemExit(3)]) from None

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


@pytest.mark.parametrize("kind", ["prompt", "resource"])
async def test_no_other_component_ends_the_process_either(kind: str) -> None:
    mcp = TaskServer("greeter")

    def leave() -> str:
        sys.exit(3)

    if kind == "prompt":
        mcp.prompt()(leave)
    else:
        mcp.resource("greeting://leave")(leave)
    async with Client(mcp) as client:
        with pytest.raises(MCPError, match=r"(?s)^Error re.*leave: SystemExit: 3.*in leave"):
            await (client.get_prompt("leave") if kind == "prompt" else client.read_resource("greeting://leave"))
        assert (await client.list_tools()).tools == []
