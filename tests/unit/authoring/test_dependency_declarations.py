"""What is refused when a dependency is declared, and what is exported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, cast

import pytest

import mcptasks
from mcptasks import (
    Caller,
    CurrentContext,
    CurrentTask,
    DeclarationError,
    Depends,
    Progress,
    Shared,
    TaskInfo,
    TokenClaim,
)
from mcptasks.model.task import ComponentKind
from tests.unit.authoring.dependency_functions import (
    awaited,
    entered,
    plain,
    server_with,
)


class TestDeclaring:
    """What cannot work is refused where it is written."""

    @pytest.mark.parametrize(
        ("declare", "message"),
        [
            (lambda: Depends(cast(Any, plain())), r"takes the function itself.*not Depends\(get_db\(\)\)"),
            (lambda: Shared(entered), r"Shared\(entered\) outlives the call, so .* 'fresh' can only be Shared"),
        ],
    )
    def test_wrong_dependencies(self, declare: Callable[[], Any], message: str) -> None:
        with pytest.raises(DeclarationError, match=message):
            declare()

    @pytest.mark.parametrize(
        ("default", "fix"),
        [
            (Depends, r"Depends\(\.\.\.\), with the function"),
            (Shared, r"Shared\(\.\.\.\), with the function"),
            (Progress, r"Progress\(\)"),
            (CurrentContext, r"CurrentContext\(\)"),
            (CurrentTask, r"CurrentTask\(\)"),
            (TokenClaim, r"TokenClaim\(\"\.\.\.\"\), with the name"),
        ],
    )
    def test_one_without_its_parentheses(self, default: Any, fix: str) -> None:
        def it(year: str = default) -> str:
            return year

        with pytest.raises(DeclarationError, match=f"tool 'it': give the parameter 'year' the default {fix}"):
            server_with(it)

    def test_progress_without_its_default(self) -> None:
        def it(progress: Progress) -> str:
            return str(progress)

        with pytest.raises(DeclarationError, match=r"give the parameter 'progress' the default Progress\(\)"):
            server_with(it)

    @pytest.mark.parametrize(
        ("annotation", "fix"),
        [
            (Caller, r"CurrentAccessToken\(\)"),
            (TaskInfo, r"CurrentTask\(\)"),
            (Caller | None, r"CurrentAccessToken\(\)"),
            (Annotated[str, Depends], r"Depends\(\.\.\.\), with the function"),
            (Annotated[TaskInfo, CurrentTask], r"CurrentTask\(\)"),
            (Annotated[str, "the year", TokenClaim], r"TokenClaim\(\"\.\.\.\"\), with the name"),
        ],
    )
    def test_an_annotation_that_declares_none(self, annotation: object, fix: str) -> None:
        def it(year: object) -> str:
            return str(year)

        it.__annotations__["year"] = annotation
        with pytest.raises(DeclarationError, match=f"tool 'it': give the parameter 'year' the default {fix}"):
            server_with(it)

    def test_a_default_that_fills_in_nothing(self) -> None:
        def it(caller: Caller | None = None) -> str:
            return str(caller)

        with pytest.raises(DeclarationError, match=r"parameter 'caller' the default CurrentAccessToken\(\)"):
            server_with(it)

    def test_an_annotation_that_declares_one(self) -> None:
        def it(
            progress: Annotated[Progress, Progress],
            task: Annotated[TaskInfo, CurrentTask()],
            year: Annotated[str, "the year"],
            years: list[str] | None = None,
        ) -> str:
            return year

        assert server_with(it).catalogue.find(ComponentKind.TOOL, "it") is not None

    def test_a_uri_cannot_have_them(self) -> None:
        def it(year: str = Depends(plain)) -> str:
            return year

        with pytest.raises(DeclarationError, match=r"template 'it://\{year\}/all': 'year' is filled in by"):
            server_with(it, ComponentKind.RESOURCE_TEMPLATE)

    def test_two_dependencies_for_one_parameter(self) -> None:
        def it(year: Annotated[str, Depends(plain)] = Depends(awaited)) -> str:
            return year

        with pytest.raises(DeclarationError, match="declares more than one dependency"):
            server_with(it)


def test_everything_is_exported() -> None:
    assert all(getattr(mcptasks, name) is not None for name in mcptasks.__all__)


def test_what_is_exported_is_listed() -> None:
    """Completion in a shell, and `help(mcptasks)`, go by it."""
    assert set(mcptasks.__all__) <= set(dir(mcptasks))
