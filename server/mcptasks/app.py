"""TaskServer: the SDK's MCPServer plus `task=` on its decorators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from mcp.server.context import HandlerResult, ServerMiddleware, ServerRequestContext
from mcp.server.extension import Extension
from mcp.server.lowlevel.server import LifespanResultT
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult, Icon, InputRequiredResult, ToolAnnotations, ToolExecution
from mcp_types import Tool as ListedTool
from pydantic import ValidationError

from mcptasks.config import FORBIDDEN, TaskConfig, TaskConfigError, TaskOption, resolve
from mcptasks.reports import LatestReport, listening
from mcptasks.resources import ComponentKind, JsonObject
from mcptasks.wire.catalogue import ArgumentsError
from mcptasks.wire.extension import TasksExtension

if TYPE_CHECKING:
    from mcptasks.service import TaskService

_Function = TypeVar("_Function", bound=Callable[..., Any])

CallSync = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Runs a synchronous function somewhere and gives its result; what it raises is raised here."""


class TaskServer(MCPServer[LifespanResultT]):
    """An MCP server whose tools can run as tasks, each in a Pod of its own.

    It is an `MCPServer` in everything else: a program moves over by changing the class. `mcptasks serve` (or
    `mcptasks dev`) connects it to a cluster; started by `run()` it serves all tools inline.

    Args:
        name: name of the server, as for `MCPServer`.
        tasks: what `task=None` means on the decorators: True, False (the default) or a `TaskConfig`.

    All other arguments are `MCPServer`'s.

    Example:
        ```python
        mcp = TaskServer("reports")

        @mcp.tool(task=True)
        def report(year: int) -> str:
            return compile_report(year)
        ```
    """

    def __init__(
        self,
        name: str | None = None,
        *args: Any,
        tasks: TaskOption = None,
        extensions: Sequence[Extension] | None = None,
        middleware: Sequence[ServerMiddleware[Any]] | None = None,
        **options: Any,
    ) -> None:
        self._task_default = resolve(tasks, False)
        self._task_configs: dict[tuple[ComponentKind, str], TaskConfig] = {}
        self._tasks = TasksExtension(self)
        super().__init__(
            name,
            *args,
            extensions=[*(extensions or ()), self._tasks],
            middleware=[self._tasks.middleware, *(middleware or ())],
            **options,
        )

    def serve_tasks(self, service: TaskService | None) -> None:
        """Serve tasks with the service from now on, or none at all for None."""
        self._tasks.bind(service)

    def add_tool(
        self,
        fn: Callable[..., Any],
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        annotations: ToolAnnotations | None = None,
        icons: list[Icon] | None = None,
        meta: dict[str, Any] | None = None,
        structured_output: bool | None = None,
        *,
        task: TaskOption = None,
    ) -> None:
        """Add a tool. `task` says how it runs as a task; the other arguments are `MCPServer.add_tool`'s.

        Raises:
            TaskConfigError: `task` is none of True, False, None and TaskConfig.
        """
        tool_name = name or str(getattr(fn, "__name__", type(fn).__name__))
        try:
            config = resolve(task, self._task_default)
        except TaskConfigError as error:
            raise TaskConfigError(f"tool {tool_name!r}: {error}") from None
        super().add_tool(fn, name, title, description, annotations, icons, meta, structured_output)
        self._task_configs[ComponentKind.TOOL, tool_name] = config

    def tool(
        self,
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        annotations: ToolAnnotations | None = None,
        icons: list[Icon] | None = None,
        meta: dict[str, Any] | None = None,
        structured_output: bool | None = None,
        *,
        task: TaskOption = None,
    ) -> Callable[[_Function], _Function]:
        """Decorator that registers a tool. `task` says how it runs as a task.

        Args:
            task: True lets callers run it as a task, False never, `TaskConfig(...)` says more; None takes the
                server's `tasks=`. The other arguments are `MCPServer.tool`'s.
        """
        if callable(name):
            raise TypeError("@mcp.tool was used without parentheses: write @mcp.tool()")

        def register(fn: _Function) -> _Function:
            self.add_tool(fn, name, title, description, annotations, icons, meta, structured_output, task=task)
            return fn

        return register

    def remove_tool(self, name: str) -> None:
        """Remove a tool by name. Raises ToolError where there is none."""
        super().remove_tool(name)
        self._task_configs.pop((ComponentKind.TOOL, name), None)

    async def list_tools(self) -> list[ListedTool]:
        """All tools, with `execution.taskSupport` where tasks are served."""
        listed = await super().list_tools()
        return [self._with_task_support(tool) for tool in listed] if self._tasks.bound else listed

    def _with_task_support(self, tool: ListedTool) -> ListedTool:
        config = self.task_config(ComponentKind.TOOL, tool.name) or FORBIDDEN
        if not config.runs_as_task:
            return tool
        return tool.model_copy(update={"execution": ToolExecution(task_support=config.mode)})

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[LifespanResultT, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool in this process; `mcptasks.progress` becomes progress of the given request."""
        if context is None:
            return await super().call_tool(name, arguments, context)
        reports = LatestReport(context.report_progress)
        with listening(reports):
            try:
                return await super().call_tool(name, arguments, context)
            finally:
                await reports.aclose()

    # What the wire layer asks (mcptasks.wire.catalogue.Catalogue)

    def task_config(self, kind: ComponentKind, name: str) -> TaskConfig | None:
        """How the component runs as a task; None where there is no such component."""
        return self._task_configs.get((kind, name))

    def check_arguments(self, kind: ComponentKind, name: str, arguments: JsonObject) -> None:
        """Check a tool's arguments as the tool itself would. Raises ArgumentsError."""
        tool = self._tool(name) if kind is ComponentKind.TOOL else None
        if tool is None:
            return
        try:
            tool.fn_metadata.validate_arguments(arguments)
        except ValidationError as error:
            raise ArgumentsError(f"Invalid arguments for tool {name}: {error}") from error

    def is_idempotent(self, kind: ComponentKind, name: str) -> bool:
        """Whether a tool's annotations say that it may run twice without harm."""
        tool = self._tool(name) if kind is ComponentKind.TOOL else None
        return bool(tool and tool.annotations and tool.annotations.idempotent_hint)

    @property
    def authenticates(self) -> bool:
        """Whether callers must present a token."""
        return self._token_verifier is not None

    def _tool(self, name: str) -> Tool | None:
        return self._tool_manager.get_tool(name)

    # What the runner asks (mcptasks.wire.execution.Components)

    def lifespan(self) -> AbstractAsyncContextManager[LifespanResultT]:
        """The server's lifespan; what it yields is `ctx.request_context.lifespan_context` of each call."""
        return self._lowlevel_server.lifespan(self._lowlevel_server)

    def has_component(self, kind: ComponentKind, name: str) -> bool:
        """Whether the server has the component."""
        return kind is not ComponentKind.TOOL or self._tool(name) is not None

    def is_sync(self, kind: ComponentKind, name: str) -> bool:
        """Whether the component is a synchronous function."""
        tool = self._tool(name) if kind is ComponentKind.TOOL else None
        return tool is not None and not tool.is_async

    def run_sync_with(self, call_sync: CallSync) -> None:
        """Run synchronous tools through `call_sync` instead of in a thread of the SDK's."""
        for tool in self._tool_manager.list_tools():
            if not tool.is_async:
                tool.fn = _through(call_sync, tool.fn)
                tool.is_async = True

    async def run_request(self, ctx: ServerRequestContext[Any, Any], params: JsonObject) -> HandlerResult:
        """Run one request by its handler, as the server itself would, and give the handler's own result.

        Raises what the handler raises, `MCPError` for one that the caller is to see.
        """
        entry = self._lowlevel_server.get_request_handler(ctx.method)
        if entry is None:
            raise ToolError(f"{ctx.method} is not served")
        return await entry.handler(ctx, entry.params_type.model_validate(params, by_name=False))


def _through(call_sync: CallSync, fn: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    @wraps(fn)
    async def call(*args: Any, **kwargs: Any) -> Any:
        return await call_sync(partial(fn, *args, **kwargs))

    return call
