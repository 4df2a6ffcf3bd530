"""What of FastMCP has which counterpart, and what to do about what has none: docs/compared-with-fastmcp.md as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class ImportedName(NamedTuple):
    """Where a name comes from."""

    module: str
    name: str


class ArgumentRules(NamedTuple):
    """What becomes of the arguments of a call by keyword; one that is named nowhere here is left as it is and told."""

    kept: frozenset[str]
    """Those that mean the same in mcptasks."""

    removed: Mapping[str, str]
    """Those that are taken out, and what to do instead."""

    harmless: frozenset[str] = frozenset()
    """Those of the removed whose loss changes nothing that a tool does."""


_AUTHORING = "mcptasks"
_SDK = "mcp.server.mcpserver"
_SDK_ERRORS = "mcp.server.mcpserver.exceptions"
_SDK_ELICITATION = "mcp.server.elicitation"

# What is imported from several modules of FastMCP: each has versions in which it is the place that its own pages name.
_SERVERS = ("fastmcp", "fastmcp.server", "fastmcp.server.server")
_CONTEXTS = ("fastmcp", "fastmcp.server", "fastmcp.server.context")
_TASK_CONFIGS = ("fastmcp.utilities.tasks", "fastmcp.server.tasks", "fastmcp.server.tasks.config")
_DEPENDENCY_MODULES = ("fastmcp.dependencies", "fastmcp.server.dependencies")
_DEPENDENCIES = (
    "CurrentAccessToken",
    "CurrentContext",
    "CurrentHeaders",
    "Depends",
    "Progress",
    "Shared",
    "TokenClaim",
)

IMPORTS: dict[ImportedName, ImportedName] = {
    **{ImportedName(module, "FastMCP"): ImportedName(_AUTHORING, "TaskServer") for module in _SERVERS},
    **{ImportedName(module, "Context"): ImportedName(_SDK, "Context") for module in _CONTEXTS},
    **{ImportedName(module, "TaskConfig"): ImportedName(_AUTHORING, "TaskConfig") for module in _TASK_CONFIGS},
    **{
        ImportedName(module, name): ImportedName(_AUTHORING, name)
        for module in _DEPENDENCY_MODULES
        for name in _DEPENDENCIES
    },
    **{
        ImportedName("fastmcp.server.elicitation", name): ImportedName(_SDK_ELICITATION, name)
        for name in ("AcceptedElicitation", "DeclinedElicitation", "CancelledElicitation")
    },
    ImportedName("fastmcp.exceptions", "ToolError"): ImportedName(_SDK_ERRORS, "ToolError"),
    ImportedName("fastmcp.exceptions", "ResourceError"): ImportedName(_SDK_ERRORS, "ResourceError"),
    ImportedName("fastmcp.utilities.types", "Image"): ImportedName(_SDK, "Image"),
    ImportedName("fastmcp.utilities.types", "Audio"): ImportedName(_SDK, "Audio"),
    ImportedName("fastmcp.utilities.types", "File"): ImportedName(_AUTHORING, "File"),
    ImportedName("fastmcp.prompts", "Message"): ImportedName(_SDK, "Message"),
    ImportedName("fastmcp.prompts.prompt", "Message"): ImportedName(_SDK, "Message"),
    ImportedName("fastmcp.utilities.logging", "get_logger"): ImportedName("logging", "getLogger"),
}

DROPPED_IMPORTS = {ImportedName("fastmcp_tasks", "TasksExtension")}
"""What a `TaskServer` has without being asked."""

OTHER_IMPORTS: dict[str, str] = {
    "CurrentDocket": "there is no Docket: start other work with a tool of its own",
    "CurrentFastMCP": "name the server itself",
    "CurrentRequest": "there is no request in a Pod; CurrentHeaders has headers, CurrentAccessToken who calls",
    "CurrentWorker": "there is no worker to ask",
    "get_context": "take it as a parameter: `ctx: Context`",
    "get_access_token": "take it as a parameter: `token = CurrentAccessToken()`",
    "get_http_headers": "take them as a parameter: `headers = CurrentHeaders()`; MCPTASKS_FORWARD_HEADERS names them",
    "get_http_request": "there is no request in a Pod; CurrentHeaders has headers, CurrentAccessToken who calls",
    "Client": "mcptasks.client.Client calls a server by its URL, which `mcptasks dev` prints, and takes no object",
    "Timeout": "TaskConfig(timeout=...)",
    "Retry": "TaskConfig(retries=...)",
    "Docket": "there is no queue to schedule in: a Kubernetes CronJob can call a tool with `mcptasks call`",
    "NotFoundError": "raise ResourceError or ToolError of mcp.server.mcpserver.exceptions",
    "PromptError": "raise MCPError of mcp.shared.exceptions",
    "McpError": "raise MCPError of mcp.shared.exceptions: code, message and data are its arguments",
    "ToolResult": "return mcp_types.CallToolResult",
    "settings": "settings are environment variables: docs/settings.md",
}
"""What to do about a name that has no counterpart; FastMCP's and Docket's."""

OTHER_MODULES: dict[str, str] = {
    "fastmcp.server.auth": "tokens are verified by settings: MCPTASKS_AUTH_ISSUER and others in docs/settings.md",
    "fastmcp.server.middleware": "write it for the SDK: middleware= of TaskServer takes its ServerMiddleware",
    "fastmcp.server.lifespan": "pass an async context manager as lifespan= of TaskServer",
    "fastmcp.server.openapi": "there are no servers made from OpenAPI: write a tool for each operation",
    "fastmcp.server.proxy": "there is no proxy: serve the other server by itself",
    "fastmcp.tools": "write the tool as a function with `.tool()`",
    "fastmcp.resources": "write the resource as a function with `.resource(uri)`",
    "fastmcp.client": "mcptasks.client is the client: docs/client.md",
    "docket": "there is no Docket: see docs/compared-with-fastmcp.md",
}

SERVER_ARGUMENTS: dict[str, str] = {
    "auth": "tokens are verified by settings: MCPTASKS_AUTH_ISSUER and others in docs/settings.md",
    "providers": "register components with decorators, or `mount` another TaskServer",
    "transforms": "name and describe tools where they are declared",
    "tool_transformations": "name and describe tools where they are declared",
    "tools": "register each function with `.tool()`",
    "tool_serializer": "results are sent as JSON: return text where it has to be another one",
    "tags": "there are no tags; nothing else depends on them",
    "resource_prefix_format": "`mount` writes prefixes as `scheme://prefix/...`",
    "stateless_http": "there are no sessions: any replica answers any request",
    "json_response": "`run` takes it",
    "sse_path": "`run` takes it",
    "message_path": "`run` takes it",
    "streamable_http_path": "`run` takes it; `mcptasks serve` has MCPTASKS_PATH",
    "mask_error_details": "MCPTASKS_SHOW_EXCEPTIONS=false masks errors",
    "middleware": "write it for the SDK: middleware= of TaskServer takes its ServerMiddleware",
    "sampling_handler": "a task cannot ask the caller's model to sample",
    "sampling_handler_behavior": "a task cannot ask the caller's model to sample",
    "session_state_store": "calls share no state: keep it in a database",
    "include_tags": "there are no tags: serve the components that are wanted",
    "exclude_tags": "there are no tags: serve the components that are wanted",
    "cache_ttl": "the SDK has cache_hints=",
    "cache_scope": "the SDK has cache_hints=",
    "host": "`mcptasks serve` listens where MCPTASKS_HOST says",
    "port": "`mcptasks serve` listens where MCPTASKS_PORT says",
    "experimental_capabilities": "the extension for tasks announces itself",
    "strict_input_validation": "arguments are checked as pydantic does",
    "on_duplicate": "a name that is declared twice is an error",
    "on_duplicate_tools": "a name that is declared twice is an error",
    "on_duplicate_resources": "a name that is declared twice is an error",
    "on_duplicate_prompts": "a name that is declared twice is an error",
    "list_page_size": "lists are not cut into pages",
    "client_log_level": "messages of all levels go to the client",
    "dereference_schemas": "schemas are those that pydantic makes",
}
"""Arguments of `FastMCP(...)` that are taken out, and what to do instead."""

HARMLESS_SERVER_ARGUMENTS = {
    "strict_input_validation",
    "on_duplicate",
    "on_duplicate_tools",
    "on_duplicate_resources",
    "on_duplicate_prompts",
    "list_page_size",
    "client_log_level",
    "dereference_schemas",
    "host",
    "port",
    "experimental_capabilities",
    "tags",
    "resource_prefix_format",
    "stateless_http",
    "json_response",
    "sse_path",
    "message_path",
    "streamable_http_path",
}
"""Those whose loss changes nothing that a tool does."""

COMPONENT_ARGUMENTS: dict[str, str] = {
    "tags": "there are no tags; nothing else depends on them",
    "version": "there are no versions of a component: give the other version another name",
    "app": "there are no apps",
    "auth": "MCPTASKS_AUTH_REQUIRED_SCOPES holds for all; for one tool, look at CurrentAccessToken() in it",
    "run_in_thread": "a synchronous function has a thread or a process of its own",
    "exclude_args": "make the parameter a dependency: `= Depends(factory)`",
    "enabled": "there is no switch: leave the component out",
    "output_schema": "the schema is made from the return annotation",
    "serializer": "results are sent as JSON: return text where it has to be another one",
}
"""Arguments of a decorator that are taken out, and what to do instead."""

HARMLESS_COMPONENT_ARGUMENTS = {"tags", "run_in_thread"}

MOUNT_ARGUMENTS: dict[str, str] = {
    "as_proxy": "a mounted server runs in this process, with its own lifespan",
    "tool_names": "name tools where they are declared",
    "tool_separator": "it is `_`",
    "prompt_separator": "it is `_`",
    "resource_separator": "it is `/`",
}
"""Arguments of `mount` that are taken out."""

RUN_ARGUMENTS: dict[str, str] = {
    "show_banner": "",
    "log_level": "MCPTASKS_LOG_LEVEL",
    "uvicorn_config": "settings of the server are in docs/settings.md",
    "middleware": "write it for the SDK: middleware= of TaskServer takes its ServerMiddleware",
}
"""Arguments of `run` that are taken out."""

SERVER_RULES = ArgumentRules(
    frozenset(
        {
            *("name", "title", "description", "instructions", "website_url", "icons", "version", "resources"),
            *("extensions", "debug", "log_level", "dependencies", "lifespan", "tasks", "request_state_security"),
            "resource_security",
        }
    ),
    SERVER_ARGUMENTS,
    frozenset(HARMLESS_SERVER_ARGUMENTS),
)

_HARMLESS_OF_COMPONENTS = frozenset(HARMLESS_COMPONENT_ARGUMENTS)

COMPONENT_RULES: dict[str, ArgumentRules] = {
    "tool": ArgumentRules(
        frozenset({"name", "title", "description", "annotations", "icons", "meta", "structured_output", "task"}),
        COMPONENT_ARGUMENTS,
        _HARMLESS_OF_COMPONENTS,
    ),
    "prompt": ArgumentRules(
        frozenset({"name", "title", "description", "icons", "task"}), COMPONENT_ARGUMENTS, _HARMLESS_OF_COMPONENTS
    ),
    "resource": ArgumentRules(
        frozenset(
            {"uri", "name", "title", "description", "mime_type", "icons", "annotations", "meta", "security", "task"}
        ),
        COMPONENT_ARGUMENTS,
        _HARMLESS_OF_COMPONENTS,
    ),
}
"""By the decorator's name."""

MOUNT_RULES = ArgumentRules(frozenset({"server", "prefix"}), MOUNT_ARGUMENTS)

RUN_RULES = ArgumentRules(
    frozenset(
        {
            *("transport", "host", "port", "sse_path", "message_path", "streamable_http_path", "json_response"),
            *("stateless_http", "event_store", "retry_interval", "max_request_body_size", "session_idle_timeout"),
            *("max_sessions", "transport_security"),
        }
    ),
    RUN_ARGUMENTS,
    frozenset(RUN_ARGUMENTS),
)

CONTEXT_MEMBERS: dict[str, str] = {
    "task_id": "take `task: TaskInfo = CurrentTask()` as a parameter: `task.id`",
    "is_background_task": "take `task: TaskInfo = CurrentTask()` as a parameter; docs/dependencies.md",
    "set_state": "calls share no state: keep it in a variable, or in the value of a `Depends` factory",
    "get_state": "calls share no state: keep it in a variable, or in the value of a `Depends` factory",
    "delete_state": "calls share no state: keep it in a variable, or in the value of a `Depends` factory",
    "sample": "a task cannot ask the caller's model to sample",
    "sample_step": "a task cannot ask the caller's model to sample",
    "list_roots": "a task cannot ask the caller for its roots: take what is needed as an argument",
    "fastmcp": "name the server itself",
    "get_prompt": "call the prompt's function",
    "list_prompts": "the server's list_prompts() has them",
    "list_resources": "the server's list_resources() has them",
    "session_id": "there are no sessions: any replica answers any request",
    "client_id": "take `caller: Caller = CurrentAccessToken()` as a parameter: `caller.client_id`",
    "transport": "it is Streamable HTTP, or there is none in a Pod",
    "send_notification": "ctx.report_progress and ctx.info reach the client",
    "enable_components": "components are the same for everybody",
    "disable_components": "components are the same for everybody",
    "reset_visibility": "components are the same for everybody",
    "origin_request_id": "`task.id` of CurrentTask() names the call",
    "client_supports_extension": "`client_capabilities` says what the client supports",
    "client_extension_settings": "`client_capabilities` says what the client supports",
}
"""Members of FastMCP's Context that the SDK's has not."""

SERVER_MEMBERS: dict[str, str] = {
    "add_middleware": "write it for the SDK: middleware= of TaskServer takes its ServerMiddleware",
    "add_provider": "register components with decorators, or `mount` another TaskServer",
    "add_transform": "name and describe tools where they are declared",
    "add_tool_transformation": "name and describe tools where they are declared",
    "add_template": "write the resource as a function with `.resource(uri)`",
    "as_proxy": "there is no proxy: serve the other server by itself",
    "from_fastapi": "there are no servers made from FastAPI: write a tool for each operation",
    "from_openapi": "there are no servers made from OpenAPI: write a tool for each operation",
    "import_server": "`mount` the other TaskServer",
    "enable": "components are the same for everybody: leave out what is not wanted",
    "disable": "components are the same for everybody: leave out what is not wanted",
    "docket": "there is no queue to schedule in: a Kubernetes CronJob can call a tool with `mcptasks call`",
    "http_app": "`mcptasks serve` has the application; `streamable_http_app()` of the SDK serves inline",
    "run_http_async": "`mcptasks serve` runs it; `run_streamable_http_async()` of the SDK serves inline",
    "run_async": "`mcptasks serve` runs it; `run_streamable_http_async()` of the SDK serves inline",
    "add_completion_handler": "`completion` of the SDK takes the function",
    "add_resource_fn": "write the resource as a function with `.resource(uri)`",
    "get_tool": "`list_tools` has all of them",
    "get_resource": "`list_resources` has all of them",
    "get_resource_template": "`list_resource_templates` has all of them",
    "render_prompt": "`get_prompt` renders it",
    "local_provider": "a TaskServer has its components itself",
    "remove_tool_transformation": "name and describe tools where they are declared",
    "get_tools": "`list_tools` has them",
    "get_resources": "`list_resources` has them",
    "get_resource_templates": "`list_resource_templates` has them",
    "get_prompts": "`list_prompts` has them",
    "from_client": "there is no proxy: serve the other server by itself",
}
"""Members of FastMCP's server that a TaskServer has not."""

PLAIN_ANSWERS = {"bool", "str", "int", "float", "None"}
"""What FastMCP's `elicit` makes a form of by itself."""

NO_MODELS = {"Enum", "StrEnum", "IntEnum", "NamedTuple", "TypedDict", "object", *PLAIN_ANSWERS}
"""Bases of classes that are no pydantic models."""

MODEL_OF_ANSWER = (
    "the question needs a pydantic model with one field: `class Answer(BaseModel)`, then `schema=Answer` and "
    "`.data.FIELD` where `.data` was used"
)
