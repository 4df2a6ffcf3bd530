"""Dependencies: the same inline and in a Job, and never a caller's to give."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from mcp.server.auth.provider import AccessToken
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resolve import Resolve
from mcp.shared.exceptions import MCPError

from mcptasks import (
    Caller,
    CurrentAccessToken,
    CurrentContext,
    CurrentHeaders,
    CurrentTask,
    Depends,
    Progress,
    Shared,
    TaskInfo,
    TaskServer,
    TokenClaim,
)
from mcptasks.model.base import JsonObject
from mcptasks.model.task import Component, ComponentKind
from tests.support.inline_and_job import ComponentCall, RecordingChannel, in_job, inline
from tests.unit.authoring.dependency_functions import (
    LOG,
    PLACES,
    Run,
    awaited,
    call,
    entered,
    entered_async,
    generated,
    generated_async,
    inner,
    looked_up,
    once,
    opened,
    plain,
    server_with,
    text_of,
)


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
