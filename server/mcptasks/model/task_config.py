"""How a component runs as a task: what `task=` on a decorator means."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Literal, TypeAlias, get_args

Mode: TypeAlias = Literal["forbidden", "optional", "required"]
Seconds: TypeAlias = float | timedelta
WithoutTasks: TypeAlias = Literal["inline", "wait", "refuse"]
PlainCall: TypeAlias = WithoutTasks | Literal["submit"]


class DeclarationError(ValueError):
    """A component that cannot be declared like this; the message says what is wrong and what would do."""


class TaskConfigError(DeclarationError):
    """A `task=` that cannot mean anything; the message says what would."""


@dataclass(frozen=True)
class TaskConfig:
    """How a component runs as a task.

    Durations are seconds or a `timedelta`; None leaves them to the template and the server's settings.

    Args:
        mode: `optional` runs as a task where the caller wants or supports one, `required` refuses other callers,
            `forbidden` always runs inline.
        template: the McpTaskTemplate, chosen by whoever runs the cluster, that the task's Pod is made from.
        ttl: how long the task can be read, from its creation, where the caller does not ask for a time.
        timeout: how long one attempt may run.
        input_timeout: how long, in all, one attempt may wait for answers of its caller. The timeout stands still while
            it waits. 0 lets the component ask nothing.
        retries: how often the process is started again after a crash. A tool's own errors are never retried.
        max_concurrent: how many tasks of the component may run at a time, in all replicas; further ones wait their
            turn, fairly by caller. None sets no limit. Calls that run inline do not count.
        poll_interval: how often callers are asked to poll.
        without_tasks: what a call does whose client knows no tasks: `inline` runs the component in the server, `wait`
            runs it as a task and answers when that has ended, with progress meanwhile, `refuse` is an error. None is
            `wait` where the template is warm; otherwise `inline` where the mode is optional and `refuse` where it is
            required. Where the server offers its task tools (`MCPTASKS_TASK_TOOLS`), None is the id of a task, as text.
        answer_within: how long a call waits for its task, to answer with the plain result if that is there by then.
            Clients that ask for a task get one at once all the same.
        immediate_response: what hosts may tell the model while the task runs, where the protocol has a place for it.
        idempotent: the component may run twice without harm, so it is run again after an eviction or a lost node.
            None takes a tool's `idempotentHint`.
    """

    mode: Mode = "optional"
    template: str | None = None
    ttl: Seconds | None = None
    timeout: Seconds | None = None
    input_timeout: Seconds | None = None
    retries: int = 0
    max_concurrent: int | None = None
    poll_interval: Seconds | None = None
    without_tasks: WithoutTasks | None = None
    answer_within: Seconds | None = None
    immediate_response: str | None = None
    idempotent: bool | None = None

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise TaskConfigError(f"TaskConfig(mode={self.mode!r}): use one of {', '.join(get_args(Mode))}")
        if self.without_tasks is not None and self.without_tasks not in get_args(WithoutTasks):
            raise TaskConfigError(
                f"TaskConfig(without_tasks={self.without_tasks!r}): use one of {', '.join(get_args(WithoutTasks))}"
            )
        if self.template is not None and not isinstance(self.template, str):
            raise TaskConfigError(f"TaskConfig(template={self.template!r}): use the name of a McpTaskTemplate")
        if isinstance(self.retries, bool) or not isinstance(self.retries, int) or not 0 <= self.retries <= 100:
            raise TaskConfigError(f"TaskConfig(retries={self.retries!r}): use a whole number from 0 to 100")
        most = self.max_concurrent
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= 1_000_000):
            raise TaskConfigError(f"TaskConfig(max_concurrent={most!r}): use a whole number from 1 to 1000000")
        least = {"ttl": 0.0, "timeout": 1.0, "input_timeout": 0.0, "poll_interval": 0.001, "answer_within": 0.0}
        for name, seconds in least.items():
            _check_duration(name, getattr(self, name), seconds)
        if self.mode == "forbidden" and (unused := self._set_besides_mode()):
            raise TaskConfigError(
                f"TaskConfig(mode='forbidden', {unused}=...): what never runs as a task has no {unused}; "
                "drop it, or use mode='optional'"
            )

    def _set_besides_mode(self) -> str | None:
        """The first argument that says how tasks run."""
        options = ((field.name, field.default) for field in fields(self) if field.name != "mode")
        return next((name for name, default in options if getattr(self, name) != default), None)

    @property
    def runs_as_task(self) -> bool:
        """Whether the component may become a task at all."""
        return self.mode != "forbidden"

    def plain_call(self, *, task_tools: bool, warm: bool) -> PlainCall:
        """What a call does whose client knows no tasks.

        Args:
            task_tools: the server offers tools to follow a task.
            warm: workers that are ready run the component, so that waiting for a task takes no longer than a call.
        """
        if self.without_tasks is not None:
            return self.without_tasks
        if task_tools:
            return "submit"
        if warm:
            return "wait"
        return "refuse" if self.mode == "required" else "inline"

    def is_inline_unchosen(self, *, task_tools: bool, warm: bool) -> bool:
        """Whether calls of clients without tasks run in the server although the component's author has not said so."""
        if not self.runs_as_task or self.without_tasks is not None:
            return False
        return self.plain_call(task_tools=task_tools, warm=warm) == "inline"

    @property
    def answer_within_seconds(self) -> float:
        """How long a call waits for its task."""
        return 0.0 if self.answer_within is None else _seconds(self.answer_within)

    @property
    def ttl_ms(self) -> int | None:
        """Time to live in milliseconds, if set."""
        return None if self.ttl is None else round(_seconds(self.ttl) * 1000)

    @property
    def timeout_seconds(self) -> int | None:
        """Run time of an attempt in whole seconds, rounded up, if set."""
        return _whole_seconds(self.timeout)

    @property
    def input_timeout_seconds(self) -> int | None:
        """Waiting time of an attempt in whole seconds, rounded up, if set."""
        return _whole_seconds(self.input_timeout)

    @property
    def poll_interval_ms(self) -> int | None:
        """Poll interval in milliseconds, if set."""
        return None if self.poll_interval is None else round(_seconds(self.poll_interval) * 1000)


TaskOption: TypeAlias = bool | TaskConfig | None
"""What `task=` takes: True is `TaskConfig()`, False forbids, None inherits the server's default."""


def resolve(option: TaskOption, default: TaskOption) -> TaskConfig:
    """The configuration that an option means under a server-wide default.

    Raises:
        TaskConfigError: the option is none of True, False, None and TaskConfig.
    """
    chosen: object = default if option is None else option
    if isinstance(chosen, TaskConfig):
        return chosen
    if chosen is True:
        return TaskConfig()
    if chosen is False or chosen is None:
        return FORBIDDEN
    raise TaskConfigError(f"task={chosen!r}: use True, False or TaskConfig(...)")


def _seconds(value: Seconds) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else float(value)


def _whole_seconds(value: Seconds | None) -> int | None:
    return None if value is None else -int(-_seconds(value) // 1)


def _check_duration(name: str, value: object, least: float) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float | timedelta):
        raise TaskConfigError(f"TaskConfig({name}={value!r}): use seconds (a number) or a timedelta")
    if not least <= _seconds(value) <= 31_622_400:
        raise TaskConfigError(f"TaskConfig({name}={value!r}): use {least:g} seconds to 366 days")


FORBIDDEN = TaskConfig(mode="forbidden")
