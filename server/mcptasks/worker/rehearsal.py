"""A call of a component of our own, made before the first task: it imports and fills what every call needs."""

from __future__ import annotations

from mcptasks.authoring.task_server import TaskServer
from mcptasks.gateway.contract import Assignment
from mcptasks.model.questions import Answer, QuestionError
from mcptasks.model.task import Component
from mcptasks.runner.execution import ComponentExecution
from mcptasks.runner.loop_thread import LoopThread
from mcptasks.runner.main_thread import run_component
from mcptasks.runner.outcome_encoding import encoded
from mcptasks.runner.signals import Termination

MAX_RESULT_BYTES = 1024


class _NobodyListens:
    """The channel of a call that nobody has made."""

    def report(self, current: float, total: float | None, message: str | None) -> None:
        pass

    async def progress(self, current: float, total: float | None, message: str | None) -> None:
        pass

    def log(self, level: str, data: object) -> None:
        pass

    async def ask(self, method: str, params_text: str, message: str | None) -> Answer:
        raise QuestionError("nobody is there to answer")


def rehearse() -> None:
    """Run a synchronous and an asynchronous tool as tasks are run. Leaves no thread and no loop behind."""
    server: TaskServer[object] = TaskServer("rehearsal")

    @server.tool()
    def add(a: int, b: int = 0) -> dict[str, int]:
        return {"sum": a + b}

    @server.tool()
    async def add_later(a: int, b: int = 0) -> dict[str, int]:
        return {"sum": a + b}

    with Termination.installed() as termination, LoopThread() as loop_thread:
        for name in ("add", "add_later"):
            text = _assignment(name).model_dump_json(by_alias=True)
            assignment = Assignment.model_validate_json(text)
            execution = ComponentExecution.of(server.components, assignment, _NobodyListens())
            encoded(run_component(execution, loop_thread, termination))


def _assignment(tool: str) -> Assignment:
    return Assignment(
        task_id="rehearsal",
        namespace="none",
        uid="none",
        attempt=1,
        server="rehearsal",
        component=Component(name=tool),
        arguments_text='{"a": 1}',
        max_result_bytes=MAX_RESULT_BYTES,
    )
