"""What the buttons of a task's page do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from mcptasks.dashboard.rights import Right
from mcptasks.dashboard.task_changes import QuestionView, UnfitAnswerError, ViewerChanges, answer_of, question_view
from mcptasks.dashboard.task_pages import TaskPages, no_such_task
from mcptasks.dashboard.visits import MAX_FORM_BYTES, PageError, Services, Visit
from mcptasks.kube.errors import ConflictError, NotFoundError
from mcptasks.kube.kinds import is_path_segment
from mcptasks.kube.task_objects import parse_task
from mcptasks.model.base import JsonObject
from mcptasks.model.questions import outstanding


class ActionPages:
    """The actions, as handlers. Each leads to a page that shows what has become of it."""

    def __init__(self, services: Services, pages: TaskPages) -> None:
        self._services = services
        self._pages = pages
        self._changes = ViewerChanges(services.lookup.kube)
        self.router = APIRouter()
        for action, handler in (("cancel", self.cancel), ("again", self.again), ("answer", self.answer)):
            path = f"/tasks/{{namespace}}/{{name}}/{action}"
            self.router.add_api_route(path, handler, methods=["POST"], response_model=None)

    async def cancel(self, request: Request, namespace: str, name: str) -> Response:
        """Cancel the task."""
        _, form = await self._allowed(request, namespace, name, Right.CANCEL)
        try:
            await self._changes.cancel(namespace, name, _first(form, "uid"))
        except NotFoundError as error:
            raise no_such_task(namespace, name) from error
        except ConflictError as error:
            raise _other_task(name) from error
        return _to(namespace, name)

    async def again(self, request: Request, namespace: str, name: str) -> Response:
        """Run the same once more."""
        await self._allowed(request, namespace, name, Right.CALL)
        return _to(namespace, await self._changes.run_again(await self._item(namespace, name)))

    async def answer(self, request: Request, namespace: str, name: str) -> Response:
        """Answer a question."""
        visit, form = await self._allowed(request, namespace, name, Right.ANSWER)
        item = await self._item(namespace, name)
        question = self._question(item, _first(form, "key"))
        try:
            answer = answer_of(question, _first(form, "action"), form)
        except UnfitAnswerError as error:
            wrong = replace(question, problems=error.problems, given=form)
            return await self._pages.task_page(visit, namespace, name, wrong)
        await self._changes.answer(item, question.key, answer)
        return _to(namespace, name)

    async def _allowed(
        self, request: Request, namespace: str, name: str, right: Right
    ) -> tuple[Visit, Mapping[str, list[str]]]:
        visit = await self._services.visit(request)
        if not (is_path_segment(namespace) and is_path_segment(name)):
            raise no_such_task(namespace, name)
        form = await visit.form(MAX_FORM_BYTES)
        await visit.rights_for(namespace)
        await visit.require(right, namespace)
        return visit, form

    async def _item(self, namespace: str, name: str) -> JsonObject:
        try:
            return await self._services.lookup.item(namespace, name)
        except NotFoundError as error:
            raise no_such_task(namespace, name) from error

    @staticmethod
    def _question(item: JsonObject, key: str) -> QuestionView:
        found = next((request for request in outstanding(parse_task(item)) if request.key == key), None)
        if found is None:
            raise PageError(
                HTTPStatus.CONFLICT,
                "The question is not open any more",
                "Somebody else has answered it, or the task has ended meanwhile.",
            )
        return question_view(found)


def _first(form: Mapping[str, list[str]], name: str) -> str:
    return form.get(name, [""])[0]


def _other_task(name: str) -> PageError:
    return PageError(
        HTTPStatus.CONFLICT,
        "That is another task by now",
        f"The task that was shown is gone, and {name} is a later one. Load its page again.",
    )


def _to(namespace: str, name: str) -> Response:
    return RedirectResponse(f"/tasks/{quote(namespace, safe='')}/{quote(name, safe='')}", HTTPStatus.SEE_OTHER)
