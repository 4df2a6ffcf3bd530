"""TaskServer: the SDK's MCPServer plus `task=` on its decorators.

The class is what authors see. Behind it, `registrar` declares components, `call_environment` surrounds their calls,
`server_catalogue` is what the protocol asks and `hosted_components` what the runner asks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from mcp.server.auth.provider import TokenVerifier
from mcp.server.auth.settings import AuthSettings
from mcp.server.context import ServerMiddleware
from mcp.server.extension import Extension
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.lowlevel.server import LifespanResultT
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ToolError, UnexpectedResourceError, UnexpectedToolError
from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.resources import Resource, ResourceSecurity
from mcp.server.mcpserver.tools import Tool
from mcp.shared.exceptions import MCPError
from mcp.shared.uri_template import UriTemplate
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    Annotations,
    CallToolResult,
    GetPromptResult,
    Icon,
    InputRequiredResult,
    ToolAnnotations,
)
from mcp_types import ResourceTemplate as ListedTemplate
from mcp_types import Tool as ListedTool
from pydantic import ValidationError
from pydantic.networks import AnyUrl

from mcptasks.authoring.arguments import wrong_arguments
from mcptasks.authoring.call_environment import CallEnvironment, request_of
from mcptasks.authoring.call_errors import shown
from mcptasks.authoring.call_scope import EndedCallError, current_scope, ends_no_server
from mcptasks.authoring.component_sources import (
    FinishedPrompt,
    FinishedResource,
    FinishedTool,
    PromptFunction,
    ResourceFunction,
    ToolFunction,
)
from mcptasks.authoring.functions import function_name, refuse_bare
from mcptasks.authoring.hosted_components import HostedComponents
from mcptasks.authoring.lifespans import Lifespan, empty_lifespan
from mcptasks.authoring.registrar import Registrar, task_config
from mcptasks.authoring.server_catalogue import ServerCatalogue
from mcptasks.authoring.written_values import unwritable_in
from mcptasks.model.task import ComponentKind
from mcptasks.model.task_config import FORBIDDEN, DeclarationError, TaskConfigError, TaskOption
from mcptasks.protocol.catalogue import ArgumentsError
from mcptasks.protocol.extension import TasksExtension
from mcptasks.protocol.request_guard import guard
from mcptasks.protocol.request_observer import RequestObserver
from mcptasks.protocol.request_state import reseal, sealed_by
from mcptasks.protocol.request_trace import within_http_trace
from mcptasks.protocol.sdk_private import Registration, ServerInternals
from mcptasks.protocol.task_app import TASK_APP_URI, UI, task_app
from mcptasks.protocol.task_log_resource import (
    TASK_LOG_DESCRIPTION,
    TASK_LOG_TITLE,
    TASK_LOG_URI,
    TaskLogResource,
)
from mcptasks.protocol.task_result_resource import LISTED, TaskResultResource
from mcptasks.protocol.task_tools import TaskTools
from mcptasks.protocol.tool_listing import listed

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
        task_config("TaskServer", tasks, "tasks")
        self._internals = ServerInternals(self)
        self._registrar = Registrar(self, tasks, Registration(self))
        self._environment = CallEnvironment(self._registrar, self._internals)
        self._own_lifespan: Lifespan[Any] = lifespan or empty_lifespan
        self._tasks = TasksExtension(self.catalogue)
        self._task_tools: list[str] = []
        self._task_log = TaskLogResource()
        self._task_result = TaskResultResource()
        self._seals_itself = options.get("request_state_security") is not None
        self.components = HostedComponents(self._environment, self._internals)
        # The SDK declares the components of extensions meanwhile, by the methods below.
        super().__init__(
            name,
            *args,
            tools=list(tools or ()),
            extensions=[*(extensions or ()), self._tasks],
            middleware=[self._tasks.middleware, *(middleware or ()), self._environment.middleware],
            lifespan=self._environment.lifespans.open,
            **options,
        )
        self.middleware[:0] = [guard, within_http_trace]
        self._tasks.attach(self._internals.lowlevel)
        for tool in tools or ():
            self._registrar.declare(FinishedTool(tool))
        for resource in resources or ():
            self.add_resource(resource)

    @property
    def catalogue(self) -> ServerCatalogue:
        """What the server has, for the protocol and the runner."""
        return self._environment.catalogue

    @property
    def authenticates(self) -> bool:
        """Whether callers must present a token."""
        return self.catalogue.authenticates

    def own_lifespan(self) -> AbstractAsyncContextManager[Any]:
        """The lifespan that the author gave, without those of mounted servers."""
        return self._own_lifespan(self)

    def serve_tasks(self, service: TaskService | None, observer: RequestObserver | None = None) -> None:
        """Serve tasks with the service from now on, or none at all for None. The observer is told of every request.

        Raises:
            TaskConfigError: the service offers task tools, and the server has tools of the same names.
            RequestStateKeyError: the service's settings have keys that cannot be used.
        """
        if service is not None and not self._seals_itself:
            reseal(self.middleware, sealed_by(service.settings, self.name))
        self._tasks.bind(service, observer)
        self._task_result.service = service
        self._show_logs(service if service is not None and service.settings.task_log_resource else None)
        self._environment.use(None if service is None else service.settings)
        for name in self._task_tools:
            self.remove_tool(name)
        self._task_tools = []
        if service is not None and service.settings.task_tools:
            self._offer(TaskTools(service))

    def run(self, transport: Literal["stdio", "sse", "streamable-http"] = "stdio", **options: Any) -> None:
        """Serve everything inline until the program ends; `options` are `MCPServer.run`'s.

        What would be a task runs in this process, which the log says.
        """
        if (labels := self.catalogue.task_labels) and not self._tasks.bound:
            logger.warning(
                "run() serves no tasks, so these run in this process, where nothing can kill them: %s. `mcptasks dev` "
                "and `mcptasks serve` run them as tasks",
                ", ".join(labels),
            )
        super().run(transport, **options)

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
        self._internals.verify_tokens_with(verifier)

    def _show_logs(self, service: TaskService | None) -> None:
        self._task_log.service = service
        if service is None or self._task_log.offered:
            return
        offer = self.resource(
            TASK_LOG_URI,
            title=TASK_LOG_TITLE,
            description=TASK_LOG_DESCRIPTION,
            mime_type="text/plain",
            task=False,
        )
        offer(self._task_log.task_log)
        self._task_log.offered = True

    def _offer(self, tools: TaskTools) -> None:
        for function in tools.functions:
            name = str(function.__name__)
            if self._internals.tool(name) is not None:
                raise TaskConfigError(f"tool {name!r}: MCPTASKS_TASK_TOOLS offers a tool of this name, rename yours")
            meta = {UI: {"resourceUri": TASK_APP_URI}} if name in tools.shown else None
            self.add_tool(function, structured_output=False, meta=meta, task=False)
            self._task_tools.append(name)
        if not any(str(resource.uri) == TASK_APP_URI for resource in self._internals.resources()):
            self.add_resource(task_app(), task=False)

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
        options = {
            "title": title,
            "description": description,
            "annotations": annotations,
            "icons": icons,
            "meta": meta,
            "structured_output": structured_output,
        }
        self._registrar.declare(ToolFunction(fn, name or function_name(fn), options), task)

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
        refuse_bare("tool", name)

        def register(fn: _Function) -> _Function:
            self.add_tool(fn, name, title, description, annotations, icons, meta, structured_output, task=task)
            return fn

        return register

    def remove_tool(self, name: str) -> None:
        """Remove a tool by name. Raises ToolError where there is none."""
        self._registrar.remove_tool(name)

    def add_prompt(self, prompt: Prompt, *, task: TaskOption = None) -> None:
        """Add a prompt. `task` says how it runs as a task; raises as `add_tool` does."""
        self._registrar.declare(FinishedPrompt(prompt), task)

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
        refuse_bare("prompt", name)

        options = {"title": title, "description": description, "icons": icons}

        def register(fn: _Function) -> _Function:
            self._registrar.declare(PromptFunction(fn, name or function_name(fn), options), task)
            return fn

        return register

    def remove_prompt(self, name: str) -> None:
        """Remove a prompt by name. Raises ValueError where there is none."""
        self._registrar.remove_prompt(name)

    def add_resource(self, resource: Resource, *, task: TaskOption = None) -> None:
        """Add a resource. `task` says how it is read as a task; raises as `add_tool` does."""
        self._registrar.declare(FinishedResource(resource), task)

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
        refuse_bare("resource", uri, "'scheme://path'")
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
            self._registrar.declare(ResourceFunction(kind, fn, uri, name, options), task)
            return fn

        return register

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
        self._registrar.mount(server._registrar, prefix)

    # Serving inline

    async def list_tools(self) -> list[ListedTool]:
        """All tools, each saying how it runs as a task where tasks are served."""
        tools = await super().list_tools()
        if not self._tasks.bound:
            return tools
        declared = [self._registrar.declarations.get(ComponentKind.TOOL, tool.name) for tool in tools]
        configs = [FORBIDDEN if each is None else each.config for each in declared]
        task_tools = bool(self._task_tools)
        return [
            listed(tool, config, task_tools=task_tools, warm=self._tasks.is_warm(config.template))
            for tool, config in zip(tools, configs, strict=True)
        ]

    async def list_resource_templates(self) -> list[ListedTemplate]:
        """All resource templates, and that of tasks' results where there is one."""
        templates = await super().list_resource_templates()
        return [*templates, LISTED] if self._task_result.offered else templates

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[LifespanResultT, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool in this process; `mcptasks.progress` becomes progress of the given request."""
        target = self.catalogue.target_of((ComponentKind.TOOL, name), request_of(context))
        if target is not None:
            try:
                target.refuse_unknown(arguments)
            except ArgumentsError as error:
                raise ToolError(f"Error executing tool {name}: {error}") from error
        async with self._environment.component(context) as context:
            try:
                with ends_no_server():
                    return await super().call_tool(name, arguments, context)
            except EndedCallError as error:
                text = f"Error executing tool {name}"
                raise UnexpectedToolError(shown(text, error, current_scope().facts)) from error
            except UnexpectedToolError as error:
                if (unwritable := unwritable_in(error)) is not None:
                    logger.error("tool %r failed", name, exc_info=unwritable)
                    raise ToolError(f"{error}: {unwritable}") from unwritable
                raise UnexpectedToolError(shown(str(error), error, current_scope().facts)) from error.__cause__
            except ToolError as error:
                if isinstance(cause := error.__cause__, ValidationError):
                    raise ToolError(f"Error executing tool {name}: {wrong_arguments(cause)}") from cause
                raise

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
        target = self.catalogue.target_of((ComponentKind.PROMPT, name), request_of(context))
        try:
            if target is not None:
                target.check_arguments(arguments or {})
            async with self._environment.component(context) as context:
                try:
                    with ends_no_server():
                        return await super().get_prompt(name, arguments, context)
                except EndedCallError as error:
                    text = f"Error rendering prompt {name}"
                    raise ValueError(shown(text, error, current_scope().facts)) from error
                except ValueError as error:
                    if error.__cause__ is None:
                        raise
                    if (unwritable := unwritable_in(error)) is not None:
                        raise ValueError(f"{error}: {unwritable}") from unwritable
                    raise ValueError(shown(str(error), error, current_scope().facts)) from error.__cause__
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
        request = request_of(context)
        target = self.catalogue.target_of((ComponentKind.RESOURCE, str(uri)), request)
        if target is None and request is not None:
            piece = await self._task_result.read(str(uri), request)
            if piece is not None:
                return [piece]
        try:
            if target is not None:
                target.check_arguments({})
        except ArgumentsError as error:
            raise MCPError(code=INVALID_PARAMS, message=str(error)) from error
        async with self._environment.component(context) as context:
            try:
                with ends_no_server():
                    return await super().read_resource(uri, context)
            except EndedCallError as error:
                text = f"Error reading resource {uri}"
                raise UnexpectedResourceError(shown(text, error, current_scope().facts)) from error
            except UnexpectedResourceError as error:
                if (unwritable := unwritable_in(error)) is not None:
                    logger.error("resource %r failed", str(uri), exc_info=unwritable)
                    raise ResourceError(f"{error}: {unwritable}") from unwritable
                raise UnexpectedResourceError(shown(str(error), error, current_scope().facts)) from error.__cause__
