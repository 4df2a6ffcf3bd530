"""The dashboard as an ASGI application: all pages, and what becomes of their errors."""

from __future__ import annotations

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp

from mcptasks.dashboard.action_pages import ActionPages
from mcptasks.dashboard.common_pages import CommonPages, sign_in_path
from mcptasks.dashboard.live_streams import TooManyStreamsError
from mcptasks.dashboard.load_pages import LoadPages
from mcptasks.dashboard.page_guard import PageGuard
from mcptasks.dashboard.rights import Viewer
from mcptasks.dashboard.task_pages import TaskPages
from mcptasks.dashboard.tool_pages import ToolPages
from mcptasks.dashboard.visits import PageError, Services, UnknownViewerError
from mcptasks.kube.errors import KubeError, UnavailableError
from mcptasks.server.trailing_slash import TrailingSlash
from mcptasks.tasks.byte_budget import RETRY_SECONDS

logger = logging.getLogger(__name__)

MIN_GZIP_BYTES = 1000


def dashboard_app(services: Services) -> ASGIApp:
    """The application."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    tasks = TaskPages(services)
    for pages in (CommonPages(services), tasks, ActionPages(services, tasks), ToolPages(services), LoadPages(services)):
        app.include_router(pages.router)
    problems = ProblemPages(services)
    app.add_exception_handler(UnknownViewerError, problems.unknown_viewer)
    app.add_exception_handler(PageError, problems.page_error)
    app.add_exception_handler(TooManyStreamsError, problems.too_many_streams)
    app.add_exception_handler(KubeError, problems.kube_error)
    app.add_exception_handler(HTTPException, problems.http_error)
    app.add_middleware(GZipMiddleware, minimum_size=MIN_GZIP_BYTES, compresslevel=5)
    # A redirect would name http: where the TLS of a proxy before this ends, it is not known.
    return PageGuard(TrailingSlash(app, tuple(app.routes)), services.allowed)


class ProblemPages:
    """Pages that say what is wrong and what to do."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def unknown_viewer(self, request: Request, _error: Exception) -> Response:
        if wants_page(request):
            return RedirectResponse(sign_in_path(request), HTTPStatus.SEE_OTHER)
        # htmx goes there; otherwise a filter would do nothing once the sign-in is over.
        headers = {"www-authenticate": "Bearer", "hx-redirect": sign_in_path(request)}
        return PlainTextResponse("sign in first", HTTPStatus.UNAUTHORIZED, headers)

    async def page_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, PageError)
        return await self._page(request, error)

    async def too_many_streams(self, request: Request, error: Exception) -> Response:
        title = "Too many pages are open"
        return await self._page(request, PageError(HTTPStatus.TOO_MANY_REQUESTS, title, str(error), RETRY_SECONDS))

    async def kube_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, KubeError)
        logger.warning("%s %s: %s", request.method, request.url.path, error)
        if isinstance(error, UnavailableError) or error.status in (401, 403):
            title, status = "The cluster cannot be asked now", HTTPStatus.SERVICE_UNAVAILABLE
        else:
            title, status = "The cluster has refused it", HTTPStatus.CONFLICT
        return await self._page(request, PageError(status, title, str(error)))

    async def http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        status = HTTPStatus(error.status_code)
        texts = {HTTPStatus.NOT_FOUND: ("There is no such page", "The address leads nowhere.")}
        title, text = texts.get(status, (status.phrase, str(error.detail)))
        return await self._page(request, PageError(status, title, text))

    async def _page(self, request: Request, problem: PageError) -> Response:
        if not wants_page(request):
            return PlainTextResponse(f"{problem.title}: {problem.text}\n", problem.status, problem.headers)
        try:
            viewer = await self._services.sign_in.viewer(request)
        except KubeError:
            viewer = None
        visit = self._services.visit_of(request, viewer or Viewer())
        page = visit.page("problem.html", status=problem.status, problem=problem)
        page.headers.update(problem.headers)
        return page


def wants_page(request: Request) -> bool:
    """Whether a person reads the answer."""
    return "text/html" in request.headers.get("accept", "")
