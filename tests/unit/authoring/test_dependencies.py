"""Dependencies: the same inline and in a Job, and never a caller's to give."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any, cast

import pytest
from mcp.server.auth.provider import AccessToken
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import Resolve
from mcp.shared.exceptions import MCPError

import mcptasks
from mcptasks import (
    Caller,
    CurrentAccessToken,
    CurrentContext,
    CurrentHeaders,
    CurrentTask,
    DeclarationError,
    Depends,
    Progress,
    Shared,
    TaskInfo,
    TaskServer,
    TokenClaim,
)
from mcptasks.gateway.contract import FailureOutcome
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Component, ComponentKind, Reason
from tests.support.inline_and_job import ComponentCall, RecordingChannel, assignment_of, in_job, inline, outcome_in_job

PLACES = pytest.mark.parametrize("run", [inline, in_job])
Run = Callable[..., str]
LOG: list[str] = []
"""What happened, in order; each test starts with none."""


@pytest.fixture(autouse=True)
def _nothing_happened_yet() -> None:
    LOG.clear()


@contextmanager
def opened(name: str) -> Iterator[str]:
    LOG.append(f"open {name}")
    try:
        yield name
    except BaseException as error:
        LOG.append(f"{name} sees {type(error).__name__}")
        raise
    finally:
        LOG.append(f"close {name}")


def plain() -> str:
    return "plain"


async def awaited() -> str:
    await asyncio.sleep(0)
    return "awaited"


def generated() -> Iterator[str]:
    with opened("generated") as value:
        yield value


async def generated_async(first: str = Depends(generated)) -> AsyncIterator[str]:
    with opened(f"{first} async") as value:
        yield value


@contextmanager
def entered(fresh: str = Depends(generated)) -> Iterator[str]:
    with opened("entered") as value:
        yield value


@asynccontextmanager
async def entered_async() -> AsyncIterator[str]:
    with opened("entered async") as value:
        yield value


def once() -> object:
    LOG.append("made")
    return object()


def inner(o: object = Depends(once)) -> object:
    return o


def looked_up(x: int) -> str:
    return f"resolved {x}"


def server_with(fn: Callable[..., Any], kind: ComponentKind = ComponentKind.TOOL) -> TaskServer[Any]:
    """A server with that one component."""
    mcp: TaskServer[Any] = TaskServer("s", tasks=True)
    if kind is ComponentKind.TOOL:
        mcp.tool(name="it")(fn)
    elif kind is ComponentKind.PROMPT:
        mcp.prompt(name="it")(fn)
    elif kind is ComponentKind.RESOURCE:
        mcp.resource("it://all", name="it")(fn)
    else:
        mcp.resource("it://{year}/all", name="it")(fn)
    return mcp


NAMES = {
    ComponentKind.TOOL: "it",
    ComponentKind.PROMPT: "it",
    ComponentKind.RESOURCE: "it://all",
    ComponentKind.RESOURCE_TEMPLATE: "it://2026/all",
}


def call(arguments: JsonObject | None = None, kind: ComponentKind = ComponentKind.TOOL, **more: Any) -> ComponentCall:
    return ComponentCall(Component(kind=kind, name=NAMES[kind]), arguments or {}, **more)


def text_of(answer: str) -> str:
    """The text in a tool's, prompt's or resource's answer."""
    result = json.loads(answer)["result"]
    block = (result.get("content") or result.get("messages") or result["contents"])[0]
    return str(block.get("content", block)["text"])


@PLACES
@pytest.mark.parametrize("synchronous", [True, False])
class TestValues:
    def test_every_kind_of_factory_gives_its_value_and_closes_in_reverse_order(
        self, run: Run, synchronous: bool
    ) -> None:
        def it(
            x: int,
            a: str = Depends(plain),
            b: str = Depends(awaited),
            c: str = Depends(generated),
            d: str = Depends(generated_async),
            e: str = Depends(entered),
            f: str = Depends(entered_async),
        ) -> str:
            LOG.append("run")
            return "/".join([str(x), a, b, c, d, e, f])

        async def it_async(
            x: int,
            a: str = Depends(plain),
            b: str = Depends(awaited),
            c: str = Depends(generated),
            d: str = Depends(generated_async),
            e: str = Depends(entered),
            f: str = Depends(entered_async),
        ) -> str:
            return it(x, a, b, c, d, e, f)

        answer = run(server_with(it if synchronous else it_async), call({"x": 1}))
        assert text_of(answer) == "1/plain/awaited/generated/generated async/entered/entered async"
        assert LOG == [
            "open generated",
            "open generated async",
            "open entered",
            "open entered async",
            "run",
            "close entered async",
            "close entered",
            "close generated async",
            "close generated",
        ]

    def test_synchronous_code_of_a_call_runs_in_one_thread(self, run: Run, synchronous: bool) -> None:
        def database() -> Iterator[sqlite3.Connection]:
            connection = sqlite3.connect(":memory:")
            connection.execute("CREATE TABLE t (n INTEGER)")
            yield connection
            assert connection.execute("SELECT sum(n) FROM t").fetchone() == (3,)
            connection.close()
            LOG.append("closed")

        def it(db: sqlite3.Connection = Depends(database)) -> int:
            db.execute("INSERT INTO t VALUES (1), (2)")
            return int(db.execute("SELECT count(*) FROM t").fetchone()[0])

        async def it_async(db: sqlite3.Connection = Depends(database)) -> int:
            return it(db)

        assert text_of(run(server_with(it if synchronous else it_async), call())) == "2"
        assert LOG == ["closed"]

    def test_a_failing_function_is_told_to_its_dependencies(self, run: Run, synchronous: bool) -> None:
        def it(a: str = Depends(generated)) -> str:
            raise KeyError("secret")

        async def it_async(a: str = Depends(generated)) -> str:
            raise KeyError("secret")

        answer = json.loads(run(server_with(it if synchronous else it_async), call()))
        assert answer["result"]["isError"] is True
        assert answer["result"]["content"][0]["text"].startswith("Error executing tool it: KeyError: 'secret'\n  at ")
        assert LOG == ["open generated", "generated sees KeyError", "close generated"]

    @pytest.mark.parametrize("kind", list(ComponentKind))
    def test_all_kinds_of_components_have_them(self, run: Run, synchronous: bool, kind: ComponentKind) -> None:
        def it(year: int = 0, a: str = Depends(entered), ctx: Context[Any, Any] = CurrentContext()) -> str:
            LOG.append("run")
            return f"{year} {a} {type(ctx).__name__}"

        async def it_async(year: int = 0, a: str = Depends(entered), ctx: Context[Any, Any] = CurrentContext()) -> str:
            return it(year, a, ctx)

        def without_year(a: str = Depends(entered), ctx: Context[Any, Any] = CurrentContext()) -> str:
            return it(0, a, ctx)

        async def without_year_async(a: str = Depends(entered), ctx: Context[Any, Any] = CurrentContext()) -> str:
            return it(0, a, ctx)

        plain_pair, template_pair = (without_year, without_year_async), (it, it_async)
        pair = template_pair if kind is ComponentKind.RESOURCE_TEMPLATE else plain_pair
        answer = run(server_with(pair[0] if synchronous else pair[1], kind), call(kind=kind))
        assert text_of(answer).endswith(" entered Context")
        assert LOG == ["open generated", "open entered", "run", "close entered", "close generated"]


@PLACES
class TestBehaviour:
    def test_a_value_is_made_once_in_a_call(self, run: Run) -> None:
        def it(c: Annotated[object, Depends(once)], a: object = Depends(once), b: object = Depends(inner)) -> str:
            return str(a is b and b is c)

        assert text_of(run(server_with(it), call())) == "True"
        assert LOG == ["made"]

    def test_they_close_after_the_result_is_serialised(self, run: Run) -> None:
        class Lazy(dict[str, Any]):
            def items(self) -> Any:
                LOG.append("serialised")
                return super().items()

        async def it(a: str = Depends(generated)) -> dict[str, Any]:
            return Lazy(x=1)

        run(server_with(it), call())
        assert LOG[0] == "open generated"
        assert "serialised" in LOG
        assert LOG[-1] == "close generated"

    def test_a_result_that_does_not_fit_its_schema_is_a_failure_to_them(self, run: Run) -> None:
        async def it(a: str = Depends(generated)) -> int:
            return "no number"  # type: ignore[return-value]

        assert json.loads(run(server_with(it), call()))["result"]["isError"] is True
        assert LOG == ["open generated", "generated sees ValidationError", "close generated"]

    @pytest.mark.parametrize(
        ("raised", "answer"),
        [
            (ToolError("no database"), {"text": "Error executing tool it: no database"}),
            (KeyError("unexpected"), {"text": "Error executing tool it: KeyError: 'unexpected'"}),
            (MCPError(code=-32050, message="no", data={"a": 1}), {"code": -32050, "message": "no", "data": {"a": 1}}),
        ],
    )
    def test_a_factory_fails_as_the_function_would(self, run: Run, raised: Exception, answer: JsonObject) -> None:
        def failing(a: str = Depends(generated)) -> str:
            raise raised

        async def it(b: str = Depends(failing)) -> str:
            LOG.append("run")
            return "never"

        got = json.loads(run(server_with(it), call()))
        shown = got["error"] if "error" in got else {"text": got["result"]["content"][0]["text"].partition("\n")[0]}
        assert shown == answer
        assert "run" not in LOG
        assert LOG[-1] == "close generated"

    def test_a_clean_up_that_fails_fails_the_call(self, run: Run) -> None:
        def transaction() -> Iterator[str]:
            yield "t"
            raise KeyError("secret: the commit was refused")

        def it(t: str = Depends(transaction)) -> str:
            return t

        error = json.loads(run(server_with(it), call()))["error"]
        told, *places = error["message"].splitlines()
        assert (error["code"], told) == (
            -32603,
            "A dependency of the call could not be closed: KeyError: 'secret: the commit was refused'",
        )
        assert places[-1].endswith(" in transaction")

    def test_a_clean_up_that_fails_does_not_hide_what_failed_before(self, run: Run) -> None:
        def transaction() -> Iterator[str]:
            try:
                yield "t"
            finally:
                raise KeyError("secret")

        def it(t: str = Depends(transaction)) -> str:
            raise ToolError("the reason")

        assert json.loads(run(server_with(it), call()))["result"]["content"][0]["text"].endswith("the reason")

    def test_shared_values_are_made_once_and_closed_with_the_server(self, run: Run) -> None:
        def pool() -> Iterator[list[str]]:
            with opened("pool"):
                yield []

        async def it(a: list[str] = Shared(pool), b: list[str] = Shared(pool), c: str = Depends(generated)) -> str:
            return str(a is b)

        assert text_of(run(server_with(it), call())) == "True"
        assert LOG == ["open pool", "open generated", "close generated", "close pool"]

    def test_the_sdks_own_context_and_resolve_live_beside_them(self, run: Run) -> None:
        async def it(
            x: int, ctx: Context[Any, Any], r: Annotated[str, Resolve(looked_up)], a: str = Depends(plain)
        ) -> str:
            return f"{r} {a} {ctx.request_id != ''}"

        assert text_of(run(server_with(it), call({"x": 1}))) == "resolved 1 plain True"

    def test_progress_is_counted_and_reported(self, run: Run) -> None:
        def it(steps: int, progress: Progress = Progress()) -> str:
            progress.set_total(steps)
            progress.increment()
            progress.increment(2)
            progress.set_message("nearly")
            with pytest.raises(ValueError, match="above 0"):
                progress.set_total(0)
            with pytest.raises(ValueError, match="above 0"):
                progress.increment(0)
            return f"{progress.current} of {progress.total}: {progress.message}"

        heard = RecordingChannel()
        assert text_of(run(server_with(it), call({"steps": 4}), heard)) == "3 of 4: nearly"
        assert heard.progressed[-1] == (3, 4, "nearly")

    def test_progress_can_be_awaited(self, run: Run) -> None:
        async def it(progress: Progress = Progress()) -> str:
            await progress.set_total(2)
            await progress.increment()
            await progress.set_message("half")
            return str(progress.current)

        heard = RecordingChannel()
        assert text_of(run(server_with(it), call(), heard)) == "1"
        assert heard.progressed[-1] == (1, 2, "half")

    def test_messages_of_the_context_are_logged(self, run: Run) -> None:
        async def it(ctx: Context[Any, Any] = CurrentContext()) -> str:
            with pytest.warns(DeprecationWarning, match="logging capability"):
                await ctx.info("hello")
            return "x"

        heard = RecordingChannel()
        run(server_with(it), call(version="2026-07-28"), heard)
        assert heard.logged == [("info", "hello")]

    def test_the_caller_is_known_and_the_token_is_not(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MCPTASKS_FORWARD_CLAIMS", "iss, team")

        def it(
            caller: Caller = CurrentAccessToken(), subject: str = TokenClaim("sub"), team: str = TokenClaim("team")
        ) -> str:
            return f"{caller} {subject} {team}"

        token = AccessToken(
            token="secret", client_id="app", scopes=["read"], subject="ann", claims={"iss": "https://i", "team": "blue"}
        )
        text = text_of(run(server_with(it), call(token=token)))
        claims = {"iss": "https://i", "team": "blue"}
        expected = Caller(client_id="app", issuer="https://i", subject="ann", scopes=("read",), claims=claims)
        assert text == f"{expected} ann blue"

    def test_of_the_claims_only_identity_is_known_unless_the_server_passes_them_on(self, run: Run) -> None:
        def it(caller: Caller = CurrentAccessToken(), subject: str = TokenClaim("sub")) -> str:
            return f"{caller.claims} {subject}"

        def needs_team(team: str = TokenClaim("team")) -> str:
            return team

        token = AccessToken(token="secret", client_id="app", scopes=[], subject="ann", claims={"team": "blue"})
        assert text_of(run(server_with(it), call(token=token))) == "{} ann"
        error = json.loads(run(server_with(needs_team), call(token=token)))["error"]
        assert "the claim 'team', and a server that passes it on (MCPTASKS_FORWARD_CLAIMS)" in error["message"]

    @pytest.mark.parametrize(
        ("wanted", "message"), [(CurrentAccessToken(), "an authenticated caller"), (TokenClaim("team"), "claim 'team'")]
    )
    def test_a_call_that_needs_a_caller_fails_without_one(self, run: Run, wanted: Any, message: str) -> None:
        def it(caller: Any = wanted) -> str:
            return "never"

        error = json.loads(run(server_with(it), call()))["error"]
        assert error["code"] == -32600
        assert message in error["message"]

    def test_only_allowed_headers_are_known(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MCPTASKS_FORWARD_HEADERS", "X-Request-Id, x-tenant")

        def it(headers: dict[str, str] = CurrentHeaders()) -> str:  # type: ignore[assignment]
            return str(headers)

        headers = {"x-request-id": "7"} | ({"authorization": "secret"} if run is inline else {})
        assert text_of(run(server_with(it), call(headers=headers))) == "{'x-request-id': '7'}"


def test_inline_there_is_no_task_and_in_a_job_it_is_described() -> None:
    def it(task: TaskInfo = CurrentTask()) -> str:
        task.log.info("running")
        return f"{task.id} {task.attempt} {task.cancelled.is_set()}"

    assert text_of(inline(server_with(it), call())) == "None 1 False"
    assert text_of(in_job(server_with(it), call())) == "task-1 1 False"


ATTEMPTS = [
    (ComponentKind.TOOL, "db", {"x": 1, "db": "EVIL"}),
    (ComponentKind.TOOL, "ctx", {"x": 1, "ctx": "EVIL"}),
    (ComponentKind.TOOL, "resolved", {"x": 1, "resolved": "EVIL"}),
    (ComponentKind.PROMPT, "db", {"x": "1", "db": "EVIL"}),
    (ComponentKind.PROMPT, "ctx", {"x": "1", "ctx": "EVIL"}),
]


def guarded(kind: ComponentKind) -> TaskServer[Any]:
    if kind is ComponentKind.TOOL:

        def tool(
            x: int, ctx: Context[Any, Any], resolved: Annotated[str, Resolve(plain)], db: str = Depends(generated)
        ) -> str:
            raise AssertionError("a caller's value got in")

        return server_with(tool)

    def it(x: int, ctx: Context[Any, Any], db: str = Depends(generated)) -> str:
        raise AssertionError("a caller's value got in")

    return server_with(it, kind)


class TestNobodyElse:
    """Injected parameters are not for callers to see or to give."""

    def test_no_schema_shows_them(self) -> None:
        mcp = guarded(ComponentKind.TOOL)
        mcp.prompt(name="it")(lambda x, db=Depends(plain): x)
        (tool,) = asyncio.run(mcp.list_tools())
        (prompt,) = asyncio.run(mcp.list_prompts())
        assert list(tool.input_schema["properties"]) == ["x"]
        assert [argument.name for argument in prompt.arguments or ()] == ["x"]

    @pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
    @PLACES
    @pytest.mark.parametrize(("kind", "name", "arguments"), ATTEMPTS)
    def test_giving_one_is_an_error(
        self, kind: ComponentKind, name: str, arguments: JsonObject, run: Run, version: str
    ) -> None:
        answer = run(guarded(kind), call(arguments, kind, version=version))
        assert f"'{name}' of {kind.value} 'it' is filled in by the server and cannot be given" in answer
        assert '"error"' in answer or '"isError": true' in answer
        assert LOG == []

    @pytest.mark.parametrize("kind", [ComponentKind.RESOURCE, ComponentKind.RESOURCE_TEMPLATE])
    def test_a_resource_takes_no_arguments_at_all(self, kind: ComponentKind) -> None:
        def it(year: int, db: str = Depends(generated)) -> str:
            raise AssertionError("a caller's value got in")

        def static(db: str = Depends(generated)) -> str:
            raise AssertionError("a caller's value got in")

        mcp = server_with(static if kind is ComponentKind.RESOURCE else it, kind)
        outcome = outcome_in_job(mcp, assignment_of(call({"db": "EVIL"}, kind)))
        assert isinstance(outcome, FailureOutcome)
        assert outcome.reason is Reason.INVALID_ARGUMENTS


class TestDeclaring:
    """What cannot work is refused where it is written."""

    @pytest.mark.parametrize(
        ("declare", "message"),
        [
            (lambda: Depends(cast(Any, plain())), r"takes the function itself.*not Depends\(get_db\(\)\)"),
            (lambda: Shared(entered), r"Shared\(entered\) outlives the call, so .* 'fresh' can only be Shared"),
        ],
    )
    def test_wrong_dependencies(self, declare: Callable[[], Any], message: str) -> None:
        with pytest.raises(DeclarationError, match=message):
            declare()

    def test_a_uri_cannot_have_them(self) -> None:
        def it(year: str = Depends(plain)) -> str:
            return year

        with pytest.raises(DeclarationError, match=r"template 'it://\{year\}/all': 'year' is filled in by"):
            server_with(it, ComponentKind.RESOURCE_TEMPLATE)

    def test_two_dependencies_for_one_parameter(self) -> None:
        def it(year: Annotated[str, Depends(plain)] = Depends(awaited)) -> str:
            return year

        with pytest.raises(DeclarationError, match="declares more than one dependency"):
            server_with(it)


def test_a_cancelled_inline_call_tells_its_function_and_waits_for_it() -> None:
    started, told = threading.Event(), threading.Event()

    def it(task: TaskInfo = CurrentTask(), a: str = Depends(generated)) -> str:
        started.set()
        if task.cancelled.wait(20):
            told.set()
        LOG.append("end")
        return "late"

    async def cancelled() -> None:
        running = asyncio.create_task(server_with(it).call_tool("it", {}))
        await asyncio.to_thread(started.wait, 20)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancelled())
    assert told.is_set()
    assert LOG == ["open generated", "end", "generated sees CancelledError", "close generated"]


def test_a_nested_call_has_dependencies_of_its_own() -> None:
    mcp: TaskServer[Any] = TaskServer("s")

    @mcp.tool()
    async def inner(a: str = Depends(generated)) -> str:
        LOG.append("inner")
        return a

    @mcp.tool()
    async def outer(a: str = Depends(generated)) -> str:
        await mcp.call_tool("inner", {})
        LOG.append("outer")
        return a

    inline(mcp, ComponentCall(Component(name="outer")))
    assert LOG == ["open generated", "open generated", "inner", "close generated", "outer", "close generated"]


def asker(ctx: Context[Any, Any] = CurrentContext()) -> str:
    return str(ctx)


def asker_of_asker(inner: str = Depends(asker)) -> str:
    return inner


def no_asker(number: int = 1) -> int:
    return number


def with_context(ctx: Context[Any, Any] = CurrentContext()) -> None: ...
def with_annotated_context(ctx: Annotated[Context[Any, Any], CurrentContext()]) -> None: ...
def with_asker(value: str = Depends(asker)) -> None: ...
def with_annotated_asker(value: Annotated[str, Depends(asker)]) -> None: ...
def with_asker_of_asker(value: str = Depends(asker_of_asker)) -> None: ...
def with_binding(value: int = Depends(no_asker, number=CurrentContext())) -> None: ...
def with_no_asker(value: int = Depends(no_asker)) -> None: ...
def with_replaced_context(value: str = Depends(asker, ctx=None)) -> None: ...


@pytest.mark.parametrize("mounted", [False, True])
@pytest.mark.parametrize(
    ("fn", "can_ask"),
    [
        (with_context, True),
        (with_annotated_context, True),
        (with_asker, True),
        (with_annotated_asker, True),
        (with_asker_of_asker, True),
        (with_binding, True),
        (with_no_asker, False),
        (with_replaced_context, False),
    ],
)
def test_who_gets_the_context_by_a_dependency_can_ask(fn: Callable[..., Any], can_ask: bool, mounted: bool) -> None:
    inner: TaskServer[Any] = TaskServer("inner", tasks=True)
    inner.tool(name="it")(fn)
    outer: TaskServer[Any] = TaskServer("outer", tasks=True)
    outer.mount(inner, "")
    target = (outer if mounted else inner).catalogue.find(ComponentKind.TOOL, "it")
    assert target is not None
    assert target.can_ask is can_ask


def test_everything_is_exported() -> None:
    assert all(getattr(mcptasks, name) is not None for name in mcptasks.__all__)


def test_what_is_exported_is_listed() -> None:
    """Completion in a shell, and `help(mcptasks)`, go by it."""
    assert set(mcptasks.__all__) <= set(dir(mcptasks))


def test_the_context_is_that_of_the_sdk() -> None:
    assert mcptasks.Context is Context
