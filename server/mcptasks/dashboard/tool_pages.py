"""The pages of tools: what the server offers, and a form to call each."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from mcptasks.client import Client, ClientError, Elicitation, Reply, Tool
from mcptasks.dashboard.rights import Right
from mcptasks.dashboard.schema_forms import Form, fields_of, form_of, read_form
from mcptasks.dashboard.shared_reads import take_note
from mcptasks.dashboard.task_pages import no_such_task
from mcptasks.dashboard.task_view import arguments_of
from mcptasks.dashboard.visits import MAX_FORM_BYTES, PageError, Services, Visit
from mcptasks.kube.errors import NotFoundError
from mcptasks.kube.kinds import is_path_segment
from mcptasks.kube.task_objects import parse_task
from mcptasks.model.base import JsonObject
from mcptasks.model.task import ComponentKind

LISTED_SECONDS = 5.0
ANSWER_SECONDS = 20.0


@dataclass
class ToolSource:
    """The MCP endpoint, with the dashboard's own token.

    What it lists is remembered for a few seconds; who asks meanwhile waits for the same answer.
    """

    services: Services
    clock: Callable[[], float] = time.monotonic
    _listed: tuple[float, Sequence[Tool]] | None = None
    _listing: asyncio.Task[Sequence[Tool]] | None = None

    async def tools(self) -> Sequence[Tool]:
        """All tools, by name. Raises PageError where the endpoint cannot be asked."""
        if self._listed is not None and self._listed[0] > self.clock():
            return self._listed[1]
        if self._listing is None or self._listing.done():
            self._listing = asyncio.create_task(self.listed())
            self._listing.add_done_callback(take_note)
        return await asyncio.shield(self._listing)

    async def listed(self) -> Sequence[Tool]:
        """All tools as the endpoint has them now. Raises PageError where it cannot be asked."""
        async with self._client() as client:
            tools = sorted(await client.list_tools(), key=lambda tool: tool.name)
        self._listed = self.clock() + LISTED_SECONDS, tools
        return tools

    async def call(self, name: str, arguments: JsonObject) -> str:
        """Call a tool as a task; gives the task's id. Raises PageError."""
        async with self._client() as client:
            return (await client.call_tool(name, arguments, task=True)).task_id

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Client]:
        settings = self.services.settings
        url, token_file = settings.dashboard_server_url, settings.dashboard_server_token_file
        if url is None:
            raise PageError(
                HTTPStatus.NOT_FOUND,
                "No server was named",
                "Start the dashboard with --server-url (MCPTASKS_DASHBOARD_SERVER_URL) to see its tools here.",
            )
        try:
            token = None if token_file is None else (await asyncio.to_thread(token_file.read_text)).strip()
            async with asyncio.timeout(ANSWER_SECONDS), Client(url, token=token, on_elicitation=_cannot_ask) as client:
                yield client
        except (ClientError, TimeoutError, OSError) as error:
            why = str(error) or f"no answer within {ANSWER_SECONDS:.0f} s"
            raise PageError(HTTPStatus.BAD_GATEWAY, "The MCP server has not done it", why) from error


def _cannot_ask(question: Elicitation) -> Reply:
    """What is asked while a task runs is answered on its page; before there is one, nothing can be shown."""
    raise ClientError(
        f"it asks something before the task begins, which a page cannot show: {question.message!r}. "
        "Use `mcptasks call`, which asks you"
    )


class ToolPages:
    """The pages, as handlers."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._source = ToolSource(services)
        self.router = APIRouter()
        self.router.add_api_route("/tools", self.tools, methods=["GET"], response_model=None)
        self.router.add_api_route("/tools/{name:path}", self.tool, methods=["GET"], response_model=None)
        self.router.add_api_route("/tools/{name:path}", self.call, methods=["POST"], response_model=None)

    async def tools(self, request: Request) -> Response:
        """What the server offers."""
        visit, may_call = await self._opened(request)
        return visit.page("tools.html", tools=await self._source.tools(), may_call=may_call)

    async def tool(self, request: Request, name: str) -> Response:
        """A tool and the form to call it, filled in as a task was called that the address names (`like`)."""
        visit, may_call = await self._opened(request)
        tool, like = await self._tool(name), request.query_params.get("like", "")
        value = await self._arguments_of(like, tool) if is_path_segment(like) else {}
        fields = fields_of(tool.input_schema)
        without_field = sorted(value.keys() - {known.name for known in fields})
        return self._page(visit, tool, may_call, {}, form_of(fields, value) if value else {}, without_field)

    async def call(self, request: Request, name: str) -> Response:
        """Call it, and show the task."""
        visit, _ = await self._opened(request)
        form = await visit.form(MAX_FORM_BYTES)
        namespace = self._services.server_namespace
        await visit.require(Right.CALL, namespace)
        tool = await self._tool(name)
        filled = read_form(fields_of(tool.input_schema), form)
        if filled.problems:
            return self._page(visit, tool, True, filled.problems, form)
        task = await self._source.call(tool.name, filled.value)
        return RedirectResponse(f"/tasks/{quote(namespace)}/{quote(task)}", HTTPStatus.SEE_OTHER)

    async def _opened(self, request: Request) -> tuple[Visit, bool]:
        """The visit of somebody who may see tasks of the server, and whether they may call."""
        visit = await self._services.visit(request)
        rights = await visit.rights_for(self._services.server_namespace)
        return visit, Right.CALL in rights

    async def _arguments_of(self, task_name: str, tool: Tool) -> JsonObject:
        """The arguments with which a task of the server has called the tool; none where it has called another one."""
        namespace = self._services.server_namespace
        try:
            task = parse_task(await self._services.lookup.item(namespace, task_name))
        except NotFoundError as error:
            raise no_such_task(namespace, task_name) from error
        is_same = task.spec.component.kind is ComponentKind.TOOL and task.spec.component.name == tool.name
        found = arguments_of(task) if is_same else {}
        return found if isinstance(found, dict) else {}

    async def _tool(self, name: str) -> Tool:
        found = next((tool for tool in await self._source.tools() if tool.name == name), None)
        if found is None:
            raise PageError(HTTPStatus.NOT_FOUND, "There is no such tool", f"The server has no tool {name}.")
        return found

    def _page(
        self,
        visit: Visit,
        tool: Tool,
        may_call: bool,
        problems: Mapping[str, str],
        given: Form,
        without_field: Sequence[str] = (),
    ) -> Response:
        status = HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK
        return visit.page(
            "tool.html",
            status=status,
            tool=tool,
            fields=fields_of(tool.input_schema),
            may_call=may_call,
            runs_as_task=tool.may_run_as_task,
            problems=problems,
            given=given or None,
            without_field=without_field,
            schema=json.dumps(tool.input_schema, indent=2, ensure_ascii=False),
        )
