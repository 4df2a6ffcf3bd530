"""TaskServer: the SDK's MCPServer plus `task=` on its decorators."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from mcp.server.auth.provider import TokenVerifier
from mcp.server.auth.settings import AuthSettings
from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from mcp.server.extension import Extension
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.lowlevel.server import LifespanResultT
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.resources import FunctionResource, Resource, ResourceSecurity
from mcp.server.mcpserver.resources.templates import ResourceSecurityError, ResourceTemplate
from mcp.server.mcpserver.tools import Tool
from mcp.shared.exceptions import MCPError
from mcp.shared.uri_template import UriTemplate
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    Annotations,
    CallToolRequestParams,
    CallToolResult,
    GetPromptResult,
    Icon,
    InputRequiredResult,
    ToolAnnotations,
)
from mcp_types import Tool as ListedTool
from pydantic.networks import AnyUrl

from mcptasks.authoring.arguments import (
    arguments_model,
    refuse_injected_in_uri,
)
from mcptasks.authoring.component_target import ComponentTarget, Registered
from mcptasks.authoring.declarations import (
    LABELS,
    Declarations,
    Declared,
    Repeat,
    function_name,
    place_of,
    prefixed_name,
    prefixed_uri,
)
from mcptasks.authoring.functions import is_async
from mcptasks.authoring.injection import (
    CallFacts,
    CallScope,
    CallSync,
    SharedValues,
    call_here,
    call_scope,
    component_scope,
    injected_names,
    without_injected,
)
from mcptasks.authoring.mounts import Lifespan, Mounts
from mcptasks.authoring.progress import LatestReport, listening
from mcptasks.model.task import Component, ComponentKind, JsonObject
from mcptasks.model.task_config import FORBIDDEN, DeclarationError, TaskConfig, TaskConfigError, TaskOption, resolve
from mcptasks.protocol.catalogue import ArgumentsError
from mcptasks.protocol.component_methods import KIND_OF_METHOD, requested
from mcptasks.protocol.extension import TasksExtension
from mcptasks.protocol.request_guard import guard
from mcptasks.protocol.request_observer import RequestObserver
from mcptasks.protocol.request_state import reseal, sealed_by
from mcptasks.protocol.request_target import Sought, target_of
from mcptasks.protocol.requests import headers_of, principal_of_caller
from mcptasks.protocol.task_tools import TaskTools
from mcptasks.protocol.tool_listing import listed
from mcptasks.settings import Settings

if TYPE_CHECKING:
    from mcptasks.tasks.service import TaskService

logger = logging.getLogger(__name__)

_Function = TypeVar("_Function", bound=Callable[..., Any])


class TaskServer(MCPServer[LifespanResultT]):
    """An MCP server whose tools, prompts and resources can run as tasks, each in a Pod of its own.

    It is an `MCPServer` in everything else: a program moves over by changing the class. `mcptasks serve` (or
    `mcptasks dev`) connects it to a cluster; started by `run()` it serves everything inline.

    Args:
        name: name of the server, as for `MCPServer`.
        tasks: what `task=None` means on the decorators: True, False or a `TaskConfig`. None inherits from the server
            that this one is mounted on, and is False where there is none.

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
        tools: Sequence[Tool] | None = None,
        resources: Sequence[Resource] | None = None,
        extensions: Sequence[Extension] | None = None,
        middleware: Sequence[ServerMiddleware[Any]] | None = None,
        lifespan: Lifespan[LifespanResultT] | None = None,
        **options: Any,
    ) -> None:
        _checked("TaskServer", tasks, "tasks")
        self._default = tasks
        self._declarations = Declarations()
        self._declaring = False
        self._task_tools: list[str] = []
        self._settings: Settings | None = None
        self._shared = SharedValues()
        self._call_sync: CallSync = call_here
        self.mounts = Mounts(self)
        self._own_lifespan: Lifespan[Any] = lifespan or _nothing_to_live_for
        self._tasks = TasksExtension(self)
        self._seals_itself = options.get("request_state_security") is not None
        super().__init__(
            name,
            *args,
            tools=list(tools or ()),
            extensions=[*(extensions or ()), self._tasks],
            middleware=[self._tasks.middleware, *(middleware or ()), self._in_scope],
            lifespan=self._lifespan,
            **options,
        )
        self.middleware.insert(0, guard)
        self._tasks.attach(self._lowlevel_server)
        for tool in tools or ():
            self._declare_given(tool)
        for resource in resources or ():
            self.add_resource(resource)

    def serve_tasks(self, service: TaskService | None, observer: RequestObserver | None = None) -> None:
        """Serve tasks with the service from now on, or none at all for None. The observer is told of every request.

        Raises:
            TaskConfigError: the service offers task tools, and the server has tools of the same names.
            RequestStateKeyError: the service's settings have keys that cannot be used.
        """
        if service is not None and not self._seals_itself:
            reseal(self.middleware, sealed_by(service.settings, self.name))
        self._tasks.bind(service, observer)
        self._settings = None if service is None else service.settings
        for name in self._task_tools:
            self.remove_tool(name)
        self._task_tools = []
        if service is not None and service.settings.task_tools:
            self._offer(TaskTools(service))

    def require_tokens(self, auth: AuthSettings, verifier: TokenVerifier) -> None:
        """Serve only callers with a token that the verifier knows. To be called before the endpoint is made.

        Raises:
            TaskConfigError: the server has a verifier already.
        """
        if self.authenticates:
            raise TaskConfigError(
                "the server program verifies tokens itself (token_verifier= or auth_server_provider=): leave the "
                "settings MCPTASKS_AUTH_... away, or take the verifier out of the program"
            )
        self.settings.auth = auth
        self._token_verifier = verifier

    def _offer(self, tools: TaskTools) -> None:
        for function in tools.functions:
            name = str(function.__name__)
            if self._tool_manager.get_tool(name) is not None:
                raise TaskConfigError(f"tool {name!r}: MCPTASKS_TASK_TOOLS offers a tool of this name, rename yours")
            self.add_tool(function, structured_output=False, task=False)
            self._task_tools.append(name)

    # Declaring

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
            DeclarationError: there is a tool of that name already.
        """
        tool_name = name or function_name(fn)
        options = (title, description, annotations, icons, meta, structured_output)

        def repeat(server: TaskServer[Any], prefix: str) -> None:
            server.add_tool(fn, prefixed_name(prefix, tool_name), *options, task=self._inherited(task))

        with self._declared(ComponentKind.TOOL, tool_name, task, fn, repeat) as visible:
            super().add_tool(visible, tool_name, *options)

    def _declare_given(self, tool: Tool) -> None:
        """Declare a finished tool that the SDK has already."""

        def repeat(server: TaskServer[Any], prefix: str) -> None:
            options = (tool.title, tool.description, tool.annotations, tool.icons, tool.meta)
            name = prefixed_name(prefix, tool.name)
            server.add_tool(tool.fn, name, *options, tool.output_schema is not None, task=self._default)

        with self._declared(ComponentKind.TOOL, tool.name, None, None, repeat, tool.is_async):
            pass

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
        _refuse_bare("tool", name)

        def register(fn: _Function) -> _Function:
            self.add_tool(fn, name, title, description, annotations, icons, meta, structured_output, task=task)
            return fn

        return register

    def remove_tool(self, name: str) -> None:
        """Remove a tool by name. Raises ToolError where there is none."""
        super().remove_tool(name)
        self._declarations.remove(ComponentKind.TOOL, name)
        for server, prefix in self.mounts.outer:
            server.remove_tool(prefixed_name(prefix, name))

    def add_prompt(self, prompt: Prompt, *, task: TaskOption = None) -> None:
        """Add a prompt. `task` says how it runs as a task; raises as `add_tool` does."""
        if self._declaring:
            super().add_prompt(prompt)
            return

        def repeat(server: TaskServer[Any], prefix: str) -> None:
            copy = prompt.model_copy(update={"name": prefixed_name(prefix, prompt.name)})
            server.add_prompt(copy, task=self._inherited(task))

        with self._declared(ComponentKind.PROMPT, prompt.name, task, None, repeat, is_async(prompt.fn)):
            super().add_prompt(prompt)

    def prompt(
        self,
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        icons: list[Icon] | None = None,
        *,
        task: TaskOption = None,
    ) -> Callable[[_Function], _Function]:
        """Decorator that registers a prompt. `task` says how it runs as a task, as for `tool`.

        Only clients of the older protocol version with tasks can run prompts as tasks.
        """
        _refuse_bare("prompt", name)

        def register(fn: _Function) -> _Function:
            prompt_name = name or function_name(fn)

            def repeat(server: TaskServer[Any], prefix: str) -> None:
                again = server.prompt(
                    prefixed_name(prefix, prompt_name), title, description, icons, task=self._inherited(task)
                )
                again(fn)

            with self._declared(ComponentKind.PROMPT, prompt_name, task, fn, repeat) as visible:
                super(TaskServer, self).prompt(prompt_name, title, description, icons)(visible)
            return fn

        return register

    def remove_prompt(self, name: str) -> None:
        """Remove a prompt by name. Raises ValueError where there is none."""
        super().remove_prompt(name)
        self._declarations.remove(ComponentKind.PROMPT, name)
        for server, prefix in self.mounts.outer:
            server.remove_prompt(prefixed_name(prefix, name))

    def add_resource(self, resource: Resource, *, task: TaskOption = None) -> None:
        """Add a resource. `task` says how it is read as a task; raises as `add_tool` does."""
        if self._declaring:
            super().add_resource(resource)
            return

        def repeat(server: TaskServer[Any], prefix: str) -> None:
            copy = resource.model_copy(update={"uri": prefixed_uri(prefix, resource.uri)})
            server.add_resource(copy, task=self._inherited(task))

        synchronous = isinstance(resource, FunctionResource) and not is_async(resource.fn)
        with self._declared(ComponentKind.RESOURCE, resource.uri, task, None, repeat, not synchronous):
            super().add_resource(resource)

    def resource(
        self,
        uri: str,
        *,
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        mime_type: str | None = None,
        icons: list[Icon] | None = None,
        annotations: Annotations | None = None,
        meta: dict[str, Any] | None = None,
        security: ResourceSecurity | None = None,
        task: TaskOption = None,
    ) -> Callable[[_Function], _Function]:
        """Decorator that registers a resource, or a resource template. `task` says how it is read as a task.

        Only clients of the older protocol version with tasks can read resources as tasks.
        """
        _refuse_bare("resource", uri, "'scheme://path'")
        kind = ComponentKind.RESOURCE_TEMPLATE if UriTemplate.parse(uri).variable_names else ComponentKind.RESOURCE
        options: dict[str, Any] = {
            "title": title,
            "description": description,
            "mime_type": mime_type,
            "icons": icons,
            "annotations": annotations,
            "meta": meta,
            "security": security,
        }

        def register(fn: _Function) -> _Function:
            def repeat(server: TaskServer[Any], prefix: str) -> None:
                mounted = prefixed_name(prefix, name or function_name(fn))
                server.resource(prefixed_uri(prefix, uri), name=mounted, **options, task=self._inherited(task))(fn)

            with self._declared(kind, uri, task, fn, repeat) as visible:
                super(TaskServer, self).resource(uri, name=name, **options)(visible)
            return fn

        return register

    @contextmanager
    def _declared(
        self,
        kind: ComponentKind,
        name: str,
        task: TaskOption,
        fn: Callable[..., Any] | None,
        repeat: Repeat,
        asynchronous: bool = True,
    ) -> Iterator[Callable[..., Any]]:
        """Remember a component that is handed to the SDK meanwhile; gives its function as callers are to see it."""
        config = _checked(f"{LABELS[kind]} {name!r}", task, "task", self._default)
        place = place_of(fn)
        self._declarations.refuse_second(kind, name, place)
        injected = frozenset() if fn is None else injected_names(fn)
        if kind is ComponentKind.RESOURCE_TEMPLATE:
            refuse_injected_in_uri(name, injected)
        visible = _no_function if fn is None else without_injected(fn)
        declared = Declared(
            kind=kind,
            name=name,
            config=config,
            place=place,
            is_async=asynchronous if fn is None else is_async(fn),
            injected=injected,
            model=None if fn is None or kind in _MODELLED_BY_SDK else arguments_model(visible),
            home=self.mounts.home,
            repeat=repeat,
        )
        self._declaring = True
        try:
            yield visible
        finally:
            self._declaring = False
        self._declarations.add(declared)
        self.mounts.pass_on(declared)

    def mount(self, server: TaskServer[Any], prefix: str = "") -> None:
        """Serve all that another server has, now and later, as one's own.

        Args:
            server: the other server; its lifespan runs within this one's, and is what its own components see.
            prefix: goes before its names: `prefix_name` for tools and prompts, `scheme://prefix/...` for resources.

        Raises:
            DeclarationError: a name is taken, the server is mounted on itself, or it verifies its callers' tokens and
                this one does not.
        """
        if server.authenticates and not self.authenticates:
            raise DeclarationError(
                f"server {server.name!r} verifies tokens, and its tools would be open to everybody here: give "
                "token_verifier= and auth= to the server that it is mounted on"
            )
        self.mounts.mount(server, prefix, list(server._declarations))

    def _inherited(self, task: TaskOption) -> TaskOption:
        """What a component's `task` means where its server is mounted: None is still open, for the outer server."""
        return self._default if task is None else task

    # Serving inline

    async def list_tools(self) -> list[ListedTool]:
        """All tools, each saying how it runs as a task where tasks are served."""
        tools = await super().list_tools()
        if not self._tasks.bound:
            return tools
        declared = [self._declarations.get(ComponentKind.TOOL, tool.name) for tool in tools]
        configs = [FORBIDDEN if each is None else each.config for each in declared]
        task_tools = bool(self._task_tools)
        return [listed(tool, config, task_tools=task_tools) for tool, config in zip(tools, configs, strict=True)]

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[LifespanResultT, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool in this process; `mcptasks.progress` becomes progress of the given request."""
        target = self._target((ComponentKind.TOOL, name), _request(context))
        if target is not None:
            try:
                target.refuse_injected(arguments)
            except ArgumentsError as error:
                raise ToolError(f"Error executing tool {name}: {error}") from error
        async with self._running(context) as context:
            return await super().call_tool(name, arguments, context)

    async def get_prompt(
        self,
        name: str,
        arguments: dict[str, Any] | None = None,
        context: Context[LifespanResultT, Any] | None = None,
    ) -> GetPromptResult | InputRequiredResult:
        """Render a prompt in this process.

        Raises:
            MCPError: for arguments that do not fit, and, without the text of whatever happened, for a prompt that
                failed; so that an inline call and a task have the same error in every protocol version.
        """
        target = self._target((ComponentKind.PROMPT, name), _request(context))
        try:
            if target is not None:
                target.check_arguments(arguments or {})
            async with self._running(context) as context:
                return await super().get_prompt(name, arguments, context)
        except ArgumentsError as error:
            raise MCPError(code=INVALID_PARAMS, message=str(error)) from error
        except ValueError as error:
            logger.error("prompt %r failed", name, exc_info=error)
            code = INVALID_PARAMS if target is None else INTERNAL_ERROR
            raise MCPError(code=code, message=str(error)) from error

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[LifespanResultT, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """Read a resource in this process; raises as `MCPServer.read_resource`, and MCPError for a URI that has
        values which its template does not take."""
        target = self._target((ComponentKind.RESOURCE, str(uri)), _request(context))
        try:
            if target is not None:
                target.check_arguments({})
        except ArgumentsError as error:
            raise MCPError(code=INVALID_PARAMS, message=str(error)) from error
        async with self._running(context) as context:
            return await super().read_resource(uri, context)

    def _target(self, sought: Sought | None, ctx: ServerRequestContext[Any, Any] | None) -> ComponentTarget | None:
        """The component that is sought while the request is served, looked up only where the request has it not."""
        target = target_of(sought, ctx, self)
        return target if isinstance(target, ComponentTarget) else None

    @asynccontextmanager
    async def _running(self, context: Context[Any, Any] | None) -> AsyncIterator[Context[Any, Any]]:
        """A component runs: its dependencies belong to this call, its progress to the request."""
        if context is None:
            context = Context(mcp_server=self, subscriptions=self._subscriptions)
            async with component_scope(self._shared, context):
                yield context
            return
        reports = LatestReport(context.report_progress)
        with listening(reports):
            try:
                async with component_scope(self._shared, context):
                    yield context
            finally:
                await reports.aclose()

    async def _in_scope(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Middleware around each call: its dependencies stay open until its result is serialised."""
        if ctx.method not in KIND_OF_METHOD:
            return await call_next(ctx)
        allowed = self._allowed()
        facts = CallFacts(
            principal=principal_of_caller(allowed.forward_claims), headers=headers_of(ctx, allowed.forward_headers)
        )
        async with self.call_scope(facts):
            return await call_next(self._at_home(ctx))

    def _allowed(self) -> Settings:
        """The settings that say what components may know of their callers."""
        if self._settings is None:
            self._settings = Settings()
        return self._settings

    def _at_home(self, ctx: ServerRequestContext[Any, Any]) -> ServerRequestContext[Any, Any]:
        """The request as the component's own server would have it, where that one is mounted here."""
        target = self._target(requested(ctx.method, ctx.params), ctx)
        if target is None or target.declared.home is self:
            return ctx
        return replace(ctx, lifespan_context=self.mounts.state(target.declared.home))

    def own_lifespan(self) -> AbstractAsyncContextManager[Any]:
        """The lifespan that the author gave, without those of mounted servers."""
        return self._own_lifespan(self)

    @asynccontextmanager
    async def _lifespan(self, _: MCPServer[Any]) -> AsyncIterator[Any]:
        """The author's lifespan, those of mounted servers within it, and the values of `Shared` in them all."""
        async with (
            self.own_lifespan() as state,
            self.mounts.alive(),
            self._shared.open(),
        ):
            yield state

    # What the protocol asks (mcptasks.protocol.catalogue.Catalogue)

    def find(self, kind: ComponentKind, name: str) -> ComponentTarget | None:
        """The component of that name, or the resource or resource template that the URI belongs to."""
        found = self._registered(kind, name)
        if found is None:
            return None
        declared, registered = found
        return ComponentTarget(Component(kind=declared.kind, name=name), declared, registered, self._asking)

    def has_tasks(self, kind: ComponentKind) -> bool:
        """Whether any component of the kind runs as a task."""
        return any(declared.kind is kind and declared.config.runs_as_task for declared in self._declarations)

    @property
    def authenticates(self) -> bool:
        """Whether callers must present a token."""
        return self._token_verifier is not None

    def _registered(self, kind: ComponentKind, name: str) -> tuple[Declared, Registered] | None:
        """What was declared under that name, and what the SDK keeps of it."""
        if kind in (ComponentKind.RESOURCE, ComponentKind.RESOURCE_TEMPLATE):
            return self._registered_resource(name)
        declared = self._declarations.get(kind, name)
        if declared is None:
            return None
        manager = self._tool_manager.get_tool if kind is ComponentKind.TOOL else self._prompt_manager.get_prompt
        return declared, manager(name)

    def _registered_resource(self, uri: str) -> tuple[Declared, Registered] | None:
        declared = self._declarations.get(ComponentKind.RESOURCE, uri)
        if declared is not None:
            return declared, None
        template = self._template(uri)
        if template is None:
            return None
        declared = self._declarations.get(ComponentKind.RESOURCE_TEMPLATE, template.uri_template)
        return None if declared is None else (declared, template)

    def _template(self, uri: str) -> ResourceTemplate | None:
        """The resource template that a URI belongs to, in the order in which the SDK asks them."""
        for template in self._resource_manager.list_templates():
            try:
                if template.matches(uri) is not None:
                    return template
            except ResourceSecurityError:
                return None
        return None

    @asynccontextmanager
    async def _asking(
        self, params: CallToolRequestParams, ctx: ServerRequestContext[Any, Any]
    ) -> AsyncIterator[Context[Any, Any]]:
        """The context of a request whose tool has not started yet."""
        context: Context[LifespanResultT, Any] = Context(
            request_context=ctx, mcp_server=self, input_params=params, subscriptions=self._subscriptions
        )
        async with self._running(context) as context:
            yield context

    # What the runner asks (mcptasks.runner.execution.Components)

    def lifespan(self) -> AbstractAsyncContextManager[LifespanResultT]:
        """The server's lifespan; what it yields is `ctx.request_context.lifespan_context` of each call."""
        return self._lowlevel_server.lifespan(self._lowlevel_server)

    def call_scope(self, facts: CallFacts, call_sync: CallSync | None = None) -> AbstractAsyncContextManager[CallScope]:
        """The scope of one call, which closes the call's dependencies."""
        return call_scope(facts, self._shared, call_sync)

    def run_sync_with(self, call_sync: CallSync) -> None:
        """Run synchronous functions through `call_sync` from now on, instead of in a thread of the SDK's."""
        self._call_sync = call_sync
        for tool in self._tool_manager.list_tools():
            if not tool.is_async:
                tool.fn = self._through_call_sync(tool.fn)
                tool.is_async = True
        components: list[Any] = [
            *self._prompt_manager.list_prompts(),
            *self._resource_manager.list_templates(),
            *(r for r in self._resource_manager.list_resources() if isinstance(r, FunctionResource)),
        ]
        for component in components:
            if not is_async(component.fn):
                component.fn = self._through_call_sync(component.fn)

    def _through_call_sync(self, fn: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        @wraps(fn)
        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._call_sync(partial(fn, *args, **kwargs))

        return call

    async def run_request(self, ctx: ServerRequestContext[Any, Any], params: JsonObject) -> HandlerResult:
        """Run one request by its handler, as the server itself would, and give the handler's own result.

        Raises what the handler raises, `MCPError` for one that the caller is to see.
        """
        entry = self._lowlevel_server.get_request_handler(ctx.method)
        if entry is None:
            raise ToolError(f"{ctx.method} is not served")
        return await entry.handler(self._at_home(ctx), entry.params_type.model_validate(params, by_name=False))


_MODELLED_BY_SDK = frozenset({ComponentKind.TOOL, ComponentKind.RESOURCE})


def _checked(label: str, option: TaskOption, argument: str, default: TaskOption = None) -> TaskConfig:
    """The configuration that an option means. Raises TaskConfigError, which names the component."""
    try:
        return resolve(option, default)
    except TaskConfigError:
        raise TaskConfigError(f"{label}: {argument}={option!r}: use True, False or TaskConfig(...)") from None


def _refuse_bare(decorator: str, first: object, example: str = "") -> None:
    if callable(first):
        raise TypeError(f"@mcp.{decorator} was used without parentheses: write @mcp.{decorator}({example})")


def _request(context: Context[Any, Any] | None) -> ServerRequestContext[Any, Any] | None:
    """The request that the SDK's context belongs to; None where it was made for none."""
    try:
        return None if context is None else context.request_context
    except ValueError:
        return None


def _no_function() -> None:
    """Stands for the function of a component that came as a finished object."""


@asynccontextmanager
async def _nothing_to_live_for(_: MCPServer[Any]) -> AsyncIterator[dict[str, Any]]:
    """The lifespan of a server without one."""
    yield {}
