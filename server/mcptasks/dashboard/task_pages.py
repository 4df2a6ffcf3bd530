"""The pages of tasks: the list, a task, and what follows them live."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import Response

from mcptasks.dashboard.file_answers import FileAnswer, FileRoom, PageInTurn, SentFile, line_pieces, pieces_of
from mcptasks.dashboard.followed_tasks import PAGE_SECONDS, FollowedTask, SeenAround
from mcptasks.dashboard.last_lines import utf8_bytes
from mcptasks.dashboard.live_feeds import Parts, Render, server_sent
from mcptasks.dashboard.rights import Right
from mcptasks.dashboard.task_changes import QuestionView
from mcptasks.dashboard.task_facts import MAX_SHOWN_RESULT, TaskFindings
from mcptasks.dashboard.task_logs import FollowedLogs, LogFollower, TooManyLogsError
from mcptasks.dashboard.task_query import AGES, DURATIONS, FilterChoices, ListQuery, list_view
from mcptasks.dashboard.task_view import TaskPageView, task_view
from mcptasks.dashboard.unclaimed_pods import PodLooks
from mcptasks.dashboard.value_views import IMAGES, SOUNDS, ContentFile, blocks_of, content_file
from mcptasks.dashboard.visits import PageError, Services, Visit
from mcptasks.kube.errors import NotFoundError
from mcptasks.kube.kinds import is_path_segment
from mcptasks.kube.task_objects import parse_task
from mcptasks.model.lifecycle import utc_now
from mcptasks.model.task import McpTask
from mcptasks.settings import KIB, MIB
from mcptasks.stores.result_errors import ResultLostError, ResultStoreUnavailableError

MAX_LOG_LINES = 100_000
MAX_LOG_BYTES = 16 * MIB
"""Of a log that is downloaded, its end."""

PAGE_BYTES = 4 * MIB
"""What the page of a task counts in memory, with its log and its result."""

LOADED_PAGES = 100
"""For how many pages that nobody follows is remembered what was seen around their tasks."""

MAX_LIVE_CHARACTERS = 256 * KIB
"""Of a part that is sent to pages that are open: several may be in memory for each of them."""

TASK_PARTS = ("head", "timeline", "questions", "result", "facts")
"""Parts of a task's page that follow it, each sent when it differs: what somebody writes in one is left alone."""


def digest_of(html: str) -> str:
    """What a page and its stream know a part by."""
    return hashlib.sha256(html.encode("utf-8", "replace")).hexdigest()[:16]


class TaskPages:
    """The pages, as handlers."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._followed = FollowedLogs()
        self._looks = PodLooks(services.lookup.kube)
        self._around = SeenAround(services.lookup, services.streams.most + LOADED_PAGES)
        self._room = FileRoom(services.file_bytes)
        self.router = APIRouter()
        for path, handler in (
            ("/tasks", self.tasks),
            ("/tasks/live", self.tasks_live),
            ("/tasks/{namespace}/{name}", self.task),
            ("/tasks/{namespace}/{name}/live", self.task_live),
            ("/tasks/{namespace}/{name}/log.txt", self.log_file),
            ("/tasks/{namespace}/{name}/result.json", self.result_file),
            ("/tasks/{namespace}/{name}/arguments.json", self.arguments_file),
            ("/tasks/{namespace}/{name}/content/{index}", self.content),
        ):
            self.router.add_api_route(path, handler, methods=["GET"], response_model=None)

    async def tasks(self, request: Request) -> Response:
        """The list."""
        visit = await self._services.visit(request)
        query = ListQuery.parse(request.query_params)
        namespaces = await visit.namespaces()
        html = (await self._list_parts(query, namespaces))["tasks"]
        choices = FilterChoices.of(self._services.index.rows(namespaces), query)
        return visit.page(
            "tasks.html",
            query=query,
            list_html=html,
            digest=digest_of(html),
            choices=choices,
            ages=AGES,
            durations=DURATIONS,
            sees_none=not namespaces and self._services.watched is not None,
        )

    async def _list_parts(self, query: ListQuery, namespaces: Collection[str]) -> Parts:
        view = list_view(self._services.index.rows(namespaces), query, utc_now())
        html = self._services.renderer.render("_task_list.html", view=view, several=len(namespaces) > 1)
        return {"tasks": html}

    async def tasks_live(self, request: Request) -> Response:
        """What changes in the list."""
        visit = await self._services.visit(request)
        query = ListQuery.parse(request.query_params)
        namespaces = await visit.namespaces()

        async def events() -> AsyncGenerator[bytes]:
            changes = self._services.feeds.changes(
                ("tasks", query, namespaces),
                lambda: self._list_parts(query, namespaces),
                self._services.index.watched,
                {},
            )
            shown = request.query_params.get("seen", "")
            async with aclosing(changes):
                async for parts in changes:
                    if digest_of(parts["tasks"]) != shown:
                        yield server_sent("tasks", parts["tasks"])
                    shown = ""

        async def may_go_on() -> bool:
            viewer = await self._services.sign_in.viewer(request)
            return viewer == visit.viewer and await visit.namespaces() == namespaces

        return visit.stream([events()], may_go_on)

    async def task(self, request: Request, namespace: str, name: str) -> Response:
        """The page of one task."""
        visit, _ = await self._opened(request, namespace, name)
        make = partial(self.task_page, visit, namespace, name)
        return PageInTurn(self._services.page_bytes, visit.viewer.name, PAGE_BYTES, make)

    async def task_page(
        self, visit: Visit, namespace: str, name: str, wrongly_answered: QuestionView | None = None
    ) -> Response:
        """The page of a task; with the question to which something was answered that does not fit. Raises PageError."""
        rights = await visit.rights_for(namespace)
        view = await self._view(namespace, name, rights)
        parts = self._task_parts(view)
        # What is live knows the question without the answer that does not fit, and must not take that away.
        seen = ",".join(digest_of(self._sent(html)) for html in parts.values())
        if wrongly_answered is not None:
            questions = [wrongly_answered if q.key == wrongly_answered.key else q for q in view.questions]
            view = replace(view, questions=questions)
            parts = self._task_parts(view)
        status = HTTPStatus.OK if wrongly_answered is None else HTTPStatus.UNPROCESSABLE_ENTITY
        log = await self._services.lookup.log(view.task) if Right.READ_LOG in rights else []
        return visit.page("task.html", status=status, view=view, parts=parts, log=log, seen=seen)

    async def _opened(self, request: Request, namespace: str, name: str) -> tuple[Visit, frozenset[Right]]:
        visit = await self._services.visit(request)
        if not (is_path_segment(namespace) and is_path_segment(name)):
            raise no_such_task(namespace, name)
        return visit, await visit.rights_for(namespace)

    async def _view(self, namespace: str, name: str, rights: Collection[Right]) -> TaskPageView:
        lookup = self._services.lookup
        try:
            item = await lookup.item(namespace, name)
        except NotFoundError as error:
            raise no_such_task(namespace, name) from error
        task = parse_task(item)
        around = await self._around.of(task, item, rights, PAGE_SECONDS)
        return self._view_of(await lookup.findings(item, task, around), rights)

    def _view_of(self, found: TaskFindings, rights: Collection[Right]) -> TaskPageView:
        services, task = self._services, found.task
        progress = services.index.progress(task.namespace, task.name)
        url = services.settings.dashboard_server_url
        return task_view(found, progress, rights, url, utc_now(), services.server_namespace if url else None)

    def _task_parts(self, view: TaskPageView) -> Parts:
        render = self._services.renderer.render
        return {part: render(f"_task_{part}.html", view=view) for part in TASK_PARTS}

    def _sent(self, html: str) -> str:
        """A part as it is sent to pages that are open."""
        if len(html) <= MAX_LIVE_CHARACTERS:
            return html
        return self._services.renderer.render("_task_large.html", digest=digest_of(html))

    def _live_parts(self, namespace: str, name: str, rights: Collection[Right]) -> Render:
        services = self._services
        task = FollowedTask(
            services.lookup, services.index, self._around, namespace, name, rights, lambda: len(services.feeds)
        )
        shown: Parts = {}

        async def render() -> Parts:
            nonlocal shown
            try:
                found = await task.news()
            except NotFoundError:
                shown = {"head": services.renderer.render("_task_gone.html")}
            else:
                if found is not None:
                    parts = self._task_parts(self._view_of(found, rights))
                    shown = {part: self._sent(html) for part, html in parts.items()}
            return shown

        return render

    async def task_live(self, request: Request, namespace: str, name: str) -> Response:
        """What changes in the page of a task, and what the task prints."""
        visit, rights = await self._opened(request, namespace, name)
        seen = set(request.query_params.get("seen", "").split(","))
        render = self._live_parts(namespace, name, rights)

        async def events() -> AsyncGenerator[bytes]:
            key = ("task", namespace, name, rights)
            watch = partial(self._services.index.watched, namespace, name)
            changes = self._services.feeds.changes(key, render, watch, {})
            async with aclosing(changes):
                async for parts in changes:
                    for part, html in parts.items():
                        if digest_of(html) not in seen:
                            yield server_sent(part, visit.personal(html))
                    seen.clear()

        async def may_go_on() -> bool:
            viewer = await self._services.sign_in.viewer(request)
            return viewer == visit.viewer and await self._services.rights.all_of(visit.viewer, namespace) == rights

        sources = [events()]
        if Right.READ_LOG in rights:
            sources.append(self._log_events(visit, namespace, name))
        return visit.stream(sources, may_go_on)

    async def _log_events(self, visit: Visit, namespace: str, name: str) -> AsyncGenerator[bytes]:
        services = self._services
        shared = services.lookup, services.index, self._followed, self._looks
        follower = LogFollower(*shared, visit.viewer, namespace, name)
        pieces = follower.pieces()
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    template = "_log.html" if piece.begins else "_log_lines.html"
                    html = services.renderer.render(template, lines=piece.lines, attempt=piece.attempt)
                    yield server_sent("log" if piece.begins else "log-more", html)
        except TooManyLogsError:
            yield server_sent("log-note", "Too many logs are followed at the moment: load the page again to see more.")

    async def log_file(self, request: Request, namespace: str, name: str) -> Response:
        """What the last attempt has printed, as a file."""
        visit, _ = await self._opened(request, namespace, name)
        await visit.require(Right.READ_LOG, namespace)
        task = await self._task(namespace, name)

        async def read() -> SentFile:
            lines = await self._services.lookup.log(task, MAX_LOG_LINES, MAX_LOG_BYTES)
            size = sum(utf8_bytes(line) + 1 for line in lines)
            return SentFile(line_pieces(lines), "text/plain; charset=utf-8", f"{name}.log", size)

        return FileAnswer(self._room, visit.viewer.name, MAX_LOG_BYTES, read)

    async def result_file(self, request: Request, namespace: str, name: str) -> Response:
        """The result as a file."""
        visit, _ = await self._opened(request, namespace, name)
        task = await self._task(namespace, name)

        async def read() -> SentFile:
            return SentFile(pieces_of(await self._result(task)), "application/json", f"{name}-result.json")

        return FileAnswer(self._room, visit.viewer.name, _result_size(task), read)

    async def arguments_file(self, request: Request, namespace: str, name: str) -> Response:
        """The arguments as a file."""
        visit, _ = await self._opened(request, namespace, name)
        spec = (await self._task(namespace, name)).spec
        text = spec.arguments_text or json.dumps(spec.arguments or {}, ensure_ascii=False, indent=2)
        data = text.encode("utf-8", "replace")

        async def read() -> SentFile:
            return SentFile(pieces_of(data), "application/json", f"{name}-arguments.json")

        return FileAnswer(self._room, visit.viewer.name, len(data), read)

    async def content(self, request: Request, namespace: str, name: str, index: str) -> Response:
        """An image, a sound or a file that is part of a result that is shown."""
        visit, _ = await self._opened(request, namespace, name)
        task = await self._task(namespace, name)
        if _result_size(task) > MAX_SHOWN_RESULT:
            raise PageError(HTTPStatus.NOT_FOUND, "There is no such file", "The result is too large: download it.")

        async def read() -> SentFile:
            found = _content_of(await self._result(task), index)
            if found is None:
                text = "The result has no file of this number."
                raise PageError(HTTPStatus.NOT_FOUND, "There is no such file", text)
            return _shown(found)

        return FileAnswer(self._room, visit.viewer.name, _result_size(task), read)

    async def _task(self, namespace: str, name: str) -> McpTask:
        try:
            return parse_task(await self._services.lookup.item(namespace, name))
        except NotFoundError as error:
            raise no_such_task(namespace, name) from error

    async def _result(self, task: McpTask) -> bytes:
        try:
            return await self._services.lookup.result_data(task)
        except ResultLostError as error:
            raise PageError(HTTPStatus.NOT_FOUND, "There is no result", str(error)) from error
        except ResultStoreUnavailableError as error:
            raise PageError(HTTPStatus.SERVICE_UNAVAILABLE, "The result cannot be read now", str(error)) from error


def no_such_task(namespace: str, name: str) -> PageError:
    """The page for a task that is not there."""
    return PageError(
        HTTPStatus.NOT_FOUND,
        "There is no such task",
        f"The namespace {namespace} has no task {name}. It may have expired: tasks and results are kept for their ttl.",
    )


def _result_size(task: McpTask) -> int:
    return 0 if task.status.result is None else max(0, task.status.result.size_bytes)


def _content_of(data: bytes, index: str) -> ContentFile | None:
    """The file of that number in a result."""
    try:
        result = json.loads(data)
    except (ValueError, RecursionError):
        return None
    blocks = blocks_of(result) if isinstance(result, dict) else []
    number = int(index) if index.isascii() and index.isdigit() and len(index) < 6 else -1
    return content_file(blocks[number], number) if 0 <= number < len(blocks) else None


def _shown(found: ContentFile) -> SentFile:
    """Pictures and sound as what they are; all else only as a file to save, whatever it says that it is."""
    if found.mime_type in IMAGES | SOUNDS:
        return SentFile(pieces_of(found.data), found.mime_type)
    return SentFile(pieces_of(found.data), "application/octet-stream", found.name)
