"""One request for a page: who looks, from which browser, and what they may do."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, Response

from mcptasks.dashboard.live_feeds import LiveFeeds
from mcptasks.dashboard.live_streams import EventStream, OpenStreams, merged
from mcptasks.dashboard.rendering import FORM_TOKEN_PLACE, Renderer
from mcptasks.dashboard.rights import Right, Rights, Viewer
from mcptasks.dashboard.seals import Seals
from mcptasks.dashboard.sign_in import SignIn
from mcptasks.dashboard.task_facts import TaskLookup
from mcptasks.dashboard.task_index import TaskIndex
from mcptasks.server.allowed_sources import AllowedSources
from mcptasks.settings import MIB, Settings
from mcptasks.tasks.byte_budget import BUDGET_SECONDS, RETRY_SECONDS, ByteBudget
from mcptasks.tasks.limits import RateLimit, SharedRate

BROWSER_COOKIE = "mcptasks-browser"
THEME_COOKIE = "mcptasks-theme"
THEMES = ("light", "dark")
FORM_TOKEN = "form_token"
MAX_FORM_BYTES = 1024 * 1024
"""Of a call's arguments, or an answer."""

SMALL_FORM_BYTES = 32 * 1024
"""Of all other forms; anybody can send one."""

MAX_ALL_FORMS_BYTES = 32 * MIB
MAX_FILE_BYTES = 64 * MIB
MAX_PAGE_BYTES = 64 * MIB


class PageError(Exception):
    """The page cannot be shown; title and text say why, and what to do."""

    def __init__(self, status: HTTPStatus, title: str, text: str, retry_after: int | None = None) -> None:
        """`retry_after`: in how many seconds it can be, where that is known."""
        super().__init__(text)
        self.status = status
        self.title = title
        self.text = text
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.retry_after is None else {"retry-after": str(self.retry_after)}


class UnknownViewerError(Exception):
    """It is not known who looks: they have to sign in."""


@dataclass(frozen=True)
class Services:
    """What all pages share."""

    settings: Settings
    index: TaskIndex
    lookup: TaskLookup
    rights: Rights
    sign_in: SignIn
    seals: Seals
    allowed: AllowedSources
    watched: Sequence[str] | None
    """The namespaces whose tasks are watched; None: all."""

    server_namespace: str = "default"
    """The namespace of the tasks of the MCP server whose tools are called."""

    pages: Sequence[tuple[str, str]] = ()
    """Address and name of pages besides the tasks."""

    renderer: Renderer = field(default_factory=Renderer)
    feeds: LiveFeeds = field(default_factory=LiveFeeds)
    file_bytes: ByteBudget = field(default_factory=lambda: ByteBudget(MAX_FILE_BYTES))
    """Of files that are read and sent at the same time."""

    page_bytes: ByteBudget = field(default_factory=lambda: ByteBudget(MAX_PAGE_BYTES))
    """Of pages of tasks that are made and sent at the same time."""

    form_bytes: ByteBudget = field(default_factory=lambda: ByteBudget(MAX_ALL_FORMS_BYTES))
    """Of large forms that arrive at the same time."""

    empty_namespaces: SharedRate = field(
        default_factory=lambda: SharedRate(RateLimit(1, burst_seconds=20), RateLimit(10, burst_seconds=20))
    )
    """How often a viewer may name a namespace of which no task is known: the API server is asked for rights there."""

    streams: OpenStreams = field(default_factory=OpenStreams)
    """Of events, which pages have open."""

    closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def visit(self, connection: HTTPConnection) -> Visit:
        """The visit of a request. Raises UnknownViewerError, KubeError."""
        viewer = await self.sign_in.viewer(connection)
        if viewer is None:
            raise UnknownViewerError
        return self.visit_of(connection, viewer)

    def visit_of(self, connection: HTTPConnection, viewer: Viewer) -> Visit:
        """The visit of a viewer, who may be unknown as yet."""
        browser = connection.cookies.get(BROWSER_COOKIE, "")
        is_new = not (len(browser) == 32 and browser.isalnum())
        return Visit(self, connection, viewer, secrets.token_hex(16) if is_new else browser, is_new)


@dataclass(frozen=True)
class Visit:
    """One request."""

    services: Services
    connection: HTTPConnection
    viewer: Viewer
    browser: str
    is_new_browser: bool

    @property
    def form_token(self) -> str:
        return self.services.seals.form_token(self.browser, self.viewer.name)

    @property
    def address(self) -> str:
        """Where the page is; of one that shows a form again, where the form is."""
        url = self.connection.url
        if self.connection.scope.get("method") == "POST":
            return url.path.removesuffix("/answer")
        return f"{url.path}?{url.query}" if url.query else url.path

    @property
    def theme(self) -> str:
        theme = self.connection.cookies.get(THEME_COOKIE, "")
        return theme if theme in THEMES else ""

    @property
    def is_secure(self) -> bool:
        """Whether the browser came by HTTPS, as far as the connection or the proxy in front says."""
        forwarded = self.connection.headers.get("x-forwarded-proto", "")
        # Where there are several proxies, the first of the list is what the browser spoke.
        return self.connection.url.scheme == "https" or forwarded.partition(",")[0].strip().lower() == "https"

    async def namespaces(self, right: Right = Right.LIST_TASKS) -> frozenset[str]:
        """The watched namespaces in which the viewer has the right. Raises KubeError."""
        services = self.services
        watched = services.index.namespaces() if services.watched is None else services.watched
        return await services.rights.namespaces(self.viewer, right, watched)

    async def rights_for(self, namespace: str) -> frozenset[Right]:
        """The rights in the namespace of a task. Raises PageError where the viewer may not see its tasks, KubeError."""
        # The API server is not asked about any name that somebody thinks of.
        is_watched = self._may_be_watched(namespace)
        rights = await self.services.rights.all_of(self.viewer, namespace) if is_watched else frozenset[Right]()
        if Right.READ_TASK not in rights:
            raise PageError(
                HTTPStatus.FORBIDDEN,
                "You may not see this",
                f"Seeing tasks of the namespace {namespace} takes the right to {Right.READ_TASK.as_kubectl} there.",
            )
        return rights

    def _may_be_watched(self, namespace: str) -> bool:
        """Whether there may be tasks of the namespace here. Raises PageError where that is asked of too many."""
        services, viewer = self.services, self.viewer
        if services.watched is not None:
            return namespace in services.watched
        is_known = namespace == services.server_namespace or namespace in services.index.namespaces()
        if is_known or viewer.user is None or services.empty_namespaces.allows(viewer.name, time.monotonic()):
            return True
        text = "You have asked for many namespaces that have no tasks. Wait a little."
        raise PageError(HTTPStatus.TOO_MANY_REQUESTS, "Too many namespaces", text, RETRY_SECONDS)

    async def require(self, right: Right, namespace: str) -> None:
        """Raises PageError where the viewer lacks the right, KubeError."""
        if not await self.services.rights.has(self.viewer, right, namespace):
            raise PageError(
                HTTPStatus.FORBIDDEN,
                "You may not do this",
                f"It takes the right to {right.as_kubectl} in the namespace {namespace}, as it does with kubectl.",
            )

    async def form(self, limit: int = SMALL_FORM_BYTES) -> Mapping[str, list[str]]:
        """The fields of a form that this browser was given, of so many bytes at most. Raises PageError.

        Large forms are for viewers who are known: so many of theirs as fit are in memory at the same time.
        """
        if limit <= SMALL_FORM_BYTES:
            return self._fields(await self._body(limit))
        budget, viewer = self.services.form_bytes, self.viewer.name
        if not await budget.take(viewer, limit, BUDGET_SECONDS):
            text = "Send it again in a moment: many forms arrive at the same time."
            raise PageError(HTTPStatus.SERVICE_UNAVAILABLE, "The form cannot be taken now", text, RETRY_SECONDS)
        try:
            return self._fields(await self._body(limit))
        finally:
            budget.give_back(viewer, limit)

    async def _body(self, limit: int) -> bytearray:
        assert isinstance(self.connection, Request)
        body = bytearray()
        async for chunk in self.connection.stream():
            body += chunk
            if len(body) > limit:
                raise PageError(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    "The form is too large",
                    f"A form may have {limit // 1024} KiB: pass a reference instead.",
                )
        return body

    def _fields(self, body: bytearray) -> Mapping[str, list[str]]:
        try:
            fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=2000)
        except ValueError as error:
            raise PageError(HTTPStatus.BAD_REQUEST, "The form cannot be read", str(error)) from error
        token = fields.pop(FORM_TOKEN, [""])[0]
        if not self.services.seals.is_form_token(token, self.browser, self.viewer.name):
            raise PageError(
                HTTPStatus.FORBIDDEN,
                "The form is not from here, or too old",
                "Load the page again and repeat what you did: the dashboard or your sign-in may be new since then.",
            )
        return fields

    def page(self, template: str, *, status: int = 200, **values: object) -> HTMLResponse:
        """A whole page."""
        html = self.services.renderer.render(
            template,
            visit=self,
            services=self.services,
            viewer=self.viewer,
            form_token=self.form_token,
            theme=self.theme,
            path=self.connection.url.path,
            **values,
        )
        # JSON may have halves of surrogate pairs, which UTF-8 has no bytes for.
        response = HTMLResponse(self.personal(html).encode("utf-8", "replace"), status)
        if self.is_new_browser:
            self.set_cookie(response, BROWSER_COOKIE, self.browser)
        return response

    def stream(self, sources: Sequence[AsyncGenerator[bytes]], may_go_on: Callable[[], Awaitable[bool]]) -> Response:
        """The answer that sends the events of all sources, as long as the viewer may have them."""
        services = self.services
        return EventStream(services.streams, self.viewer, merged(sources, may_go_on, services.closing))

    def personal(self, html: str) -> str:
        """HTML that viewers share, with this viewer's own form token."""
        return html.replace(FORM_TOKEN_PLACE, self.form_token)

    def set_cookie(self, response: Response, name: str, value: str, seconds: int | None = None) -> None:
        """Set a cookie that no script reads and no other site sends."""
        response.set_cookie(
            name, value, max_age=seconds, path="/", secure=self.is_secure, httponly=True, samesite="strict"
        )


def only(rights: Collection[Right], *wanted: Right) -> frozenset[Right]:
    """Those of the wanted rights that there are: what a shared part of a page depends on."""
    return frozenset(rights) & frozenset(wanted)
