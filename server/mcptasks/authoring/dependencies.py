"""Dependencies: parameters that the server fills in, the same inline and in a Job. Built on `uncalled-for`.

```python
@mcp.tool(task=True)
def report(year: int, db: Database = Depends(open_database), progress: Progress = Progress()) -> str: ...
```

No caller sees them in a schema, and none can give them.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints, overload

import uncalled_for
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_REQUEST
from uncalled_for import Dependency, Provider, get_dependency_parameters

from mcptasks.authoring.call_facts import TaskInfo
from mcptasks.authoring.call_scope import current_scope
from mcptasks.authoring.factories import Factory
from mcptasks.authoring.functions import function_name
from mcptasks.authoring.progress import ProgressListener, current_listener, report_to
from mcptasks.model.base import JsonObject
from mcptasks.model.task_config import DeclarationError

if TYPE_CHECKING:
    from mcp.server.mcpserver import Context

R = TypeVar("R")


@overload
def Depends(factory: Callable[..., AbstractAsyncContextManager[R]], **bindings: Any) -> R: ...
@overload
def Depends(factory: Callable[..., AbstractContextManager[R]], **bindings: Any) -> R: ...
@overload
def Depends(factory: Callable[..., AsyncIterator[R]], **bindings: Any) -> R: ...
@overload
def Depends(factory: Callable[..., Iterator[R]], **bindings: Any) -> R: ...
@overload
def Depends(factory: Callable[..., Awaitable[R]], **bindings: Any) -> R: ...
@overload
def Depends(factory: Callable[..., R], **bindings: Any) -> R: ...
def Depends(factory: Callable[..., Any], **bindings: Any) -> Any:
    """A value that the factory makes for each call, before the function runs; one and the same within a call.

    Args:
        factory: a function, a generator function (what follows its `yield` is clean-up), or one that returns a context
            manager; synchronous or asynchronous. Its own parameters may be dependencies.
        bindings: arguments of the factory that are given here.
    """
    return uncalled_for.Depends(_factory("Depends", factory), **bindings)


@overload
def Shared(factory: Callable[..., AbstractAsyncContextManager[R]]) -> R: ...
@overload
def Shared(factory: Callable[..., AbstractContextManager[R]]) -> R: ...
@overload
def Shared(factory: Callable[..., AsyncIterator[R]]) -> R: ...
@overload
def Shared(factory: Callable[..., Iterator[R]]) -> R: ...
@overload
def Shared(factory: Callable[..., Awaitable[R]]) -> R: ...
@overload
def Shared(factory: Callable[..., R]) -> R: ...
def Shared(factory: Callable[..., Any]) -> Any:
    """A value that the factory makes once, for all calls until the server stops; in a Job for its one call.

    Use it for what may be used from several threads at a time.

    Raises:
        DeclarationError: the factory depends on something that belongs to one call.
    """
    made = _factory("Shared", factory)
    for name, dependency in get_dependency_parameters(made).items():
        if not isinstance(dependency, type(uncalled_for.Shared(_nothing))):
            raise DeclarationError(
                f"Shared({function_name(factory)}) outlives the call, so its parameter {name!r} can only be "
                "Shared(...) as well"
            )
    return uncalled_for.Shared(made)


def _nothing() -> None: ...


_DEPENDS: Any = type(uncalled_for.Depends(_nothing))


def _factory(kind: str, factory: object) -> Factory:
    if not callable(factory):
        raise DeclarationError(
            f"{kind}({factory!r}) takes the function itself, without calling it: {kind}(get_db), not {kind}(get_db())"
        )
    return Factory(factory)


class _Done(Awaitable[None]):
    """What has been done already. Awaiting it lets others run; nobody has to."""

    def __await__(self) -> Generator[None, None, None]:
        yield


_DONE = _Done()


class Progress(Provider["Progress"]):
    """How far the call is; declare it as `progress: Progress = Progress()`.

    In a task it reaches `status.progress` and the task's status message, at most once a second; in an inline call it
    becomes progress notifications. All methods work at once, in synchronous and asynchronous code: awaiting what they
    give is allowed and not necessary. They may be called from any thread.
    """

    def __init__(self) -> None:
        self._listener: ProgressListener | None = None
        self._current: float = 0
        self._total: float | None = None
        self._message: str | None = None

    async def __aenter__(self) -> Progress:
        fresh = type(self)()
        fresh._listener = current_listener()
        return fresh

    @property
    def current(self) -> float:
        """How much is done."""
        return self._current

    @property
    def total(self) -> float | None:
        """How much there is to do, if known."""
        return self._total

    @property
    def message(self) -> str | None:
        """What is being done."""
        return self._message

    def set_total(self, total: float) -> Awaitable[None]:
        """Say how much there is to do. Raises ValueError unless it is more than 0."""
        if total <= 0:
            raise ValueError(f"set_total({total!r}): use a number above 0")
        self._total = total
        return self._report()

    def increment(self, amount: float = 1) -> Awaitable[None]:
        """Say that this much more is done. Raises ValueError unless it is more than 0."""
        if amount <= 0:
            raise ValueError(f"increment({amount!r}): use a number above 0")
        self._current += amount
        return self._report()

    def set_message(self, message: str | None) -> Awaitable[None]:
        """Say what is being done; None for nothing in particular."""
        self._message = message
        return self._report()

    def _report(self) -> Awaitable[None]:
        if self._listener is not None:
            report_to(self._listener, self._current, self._total, self._message)
        return _DONE


@dataclass(frozen=True)
class Caller:
    """Who called, from the claims of the access token; the token itself is not available.

    `claims` has those besides that `MCPTASKS_FORWARD_CLAIMS` names.
    """

    client_id: str | None = None
    issuer: str | None = None
    subject: str | None = None
    scopes: tuple[str, ...] = ()
    claims: JsonObject = field(default_factory=dict)


class _CurrentContext(Provider[Any]):
    async def __aenter__(self) -> Any:
        return current_scope().context


class _CurrentTask(Provider[TaskInfo]):
    async def __aenter__(self) -> TaskInfo:
        return current_scope().facts.task


class _CurrentHeaders(Provider["dict[str, str]"]):
    async def __aenter__(self) -> dict[str, str]:
        return dict(current_scope().facts.headers)


class _CurrentAccessToken(Provider[Caller]):
    async def __aenter__(self) -> Caller:
        caller = _caller()
        if caller is None:
            raise _unauthenticated("an authenticated caller")
        return caller


class _TokenClaim(Provider[Any]):
    def __init__(self, name: str) -> None:
        self._name = name

    async def __aenter__(self) -> Any:
        caller = _caller()
        claims = {} if caller is None else _claims(caller)
        if self._name not in claims:
            raise _unauthenticated(
                f"a caller whose access token has the claim {self._name!r}, and a server that passes it on "
                "(MCPTASKS_FORWARD_CLAIMS)"
            )
        return claims[self._name]


def CurrentContext() -> Context[Any, Any]:
    """The SDK's `Context` of the call, for factories and wherever a parameter of that type cannot be declared."""
    return cast("Context[Any, Any]", _CurrentContext())


def CurrentTask() -> TaskInfo:
    """The task that the function runs for: id, attempt, deadline, cancel event and log."""
    return cast("TaskInfo", _CurrentTask())


def CurrentHeaders() -> Mapping[str, str]:
    """The request's headers, in lower case, that `MCPTASKS_FORWARD_HEADERS` names; no others, inline and in a Job."""
    return cast("Mapping[str, str]", _CurrentHeaders())


def CurrentAccessToken() -> Caller:
    """Who called. The call fails where nobody was authenticated."""
    return cast("Caller", _CurrentAccessToken())


def TokenClaim(name: str) -> Any:
    """One claim of the caller's access token: `sub`, `iss`, `client_id`, or one that `MCPTASKS_FORWARD_CLAIMS` names.

    The call fails where there is none.
    """
    return _TokenClaim(name)


_CALLS: Mapping[Callable[..., Any], str] = {
    CurrentAccessToken: "CurrentAccessToken()",
    CurrentContext: "CurrentContext()",
    CurrentHeaders: "CurrentHeaders()",
    CurrentTask: "CurrentTask()",
    Depends: "Depends(...), with the function that makes its value",
    Progress: "Progress()",
    Shared: "Shared(...), with the function that makes its value",
    TokenClaim: 'TokenClaim("..."), with the name of the claim',
}
"""How each dependency is declared."""

_CALLS_FOR: Mapping[type, str] = {
    Caller: "CurrentAccessToken()",
    Progress: "Progress()",
    TaskInfo: "CurrentTask()",
}
"""How a parameter of the type is declared."""


def needs_context(fn: Callable[..., Any]) -> bool:
    """Whether the function depends on `CurrentContext()`, by itself or by way of a factory."""
    return any(map(_needs_context, get_dependency_parameters(fn).values()))


def refuse_unfillable(label: str, fn: Callable[..., Any]) -> None:
    """Raises DeclarationError where nothing fills in a parameter that looks like a dependency.

    That is one whose default, or a note in whose annotation, is a dependency's name without parentheses; a `Progress`,
    `TaskInfo` or `Caller` without a default or with None, the last of which callers could make up; and one of a factory
    that the function depends on.
    """
    hints = _hints(fn)
    for parameter in inspect.signature(fn).parameters.values():
        hint = hints.get(parameter.name)
        call = next((call for uncalled, call in _CALLS.items() if parameter.default is uncalled), None)
        if call is None and (parameter.default is parameter.empty or parameter.default is None):
            call = _call_for(parameter.annotation if hint is None else hint)
        if call is not None:
            raise DeclarationError(f"{label}: give the parameter {parameter.name!r} the default {call}")
    for name, dependency in get_dependency_parameters(fn).items():
        _refuse_unfillable(f"{label}: parameter {name!r}", dependency)


def _hints(fn: Callable[..., Any]) -> Mapping[str, Any]:
    """The function's annotations; none where they cannot be evaluated, which is told elsewhere."""
    try:
        return get_type_hints(fn, include_extras=True)
    except Exception:  # noqa: BLE001 - annotations are the author's code
        return {}


def _call_for(hint: object) -> str | None:
    """How what the annotation names is declared, if it is a dependency that nothing declares."""
    if get_origin(hint) is not Annotated:
        kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        if hint == "Progress":
            kinds = (Progress,)
        return next((call for known, call in _CALLS_FOR.items() if any(kind is known for kind in kinds)), None)
    noted = getattr(hint, "__metadata__", ())
    if any(isinstance(note, Dependency) or note is Progress for note in noted):
        return None
    return next((call for uncalled, call in _CALLS.items() if any(note is uncalled for note in noted)), None)


def _refuse_unfillable(where: str, dependency: object) -> None:
    factory: Any = getattr(dependency, "factory", None)
    if not isinstance(factory, Factory):
        return
    given = getattr(dependency, "bindings", {})
    own = get_dependency_parameters(factory)
    name = function_name(factory.fn)
    parameters = inspect.signature(factory).parameters.values()
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    for parameter in parameters:
        optional = parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        filled = parameter.name in given or parameter.name in own
        if filled and parameter.kind is parameter.POSITIONAL_ONLY:
            raise DeclarationError(
                f"{where} depends on {name}(), whose parameter {parameter.name!r} is filled in by name, so it cannot "
                "stand before a `/`: leave the `/` out"
            )
        if not optional and not filled and parameter.default is parameter.empty:
            raise DeclarationError(
                f"{where} depends on {name}(), and nothing fills in its parameter {str(parameter)!r}: give it a "
                f"default, a dependency such as Depends(...) or CurrentContext(), or a value in "
                f"Depends({name}, {parameter.name}=...)"
            )
    if not takes_all and (unknown := sorted(given.keys() - {parameter.name for parameter in parameters})):
        raise DeclarationError(f"{where}: {name}() has no parameter {unknown[0]!r}, which Depends({name}, ...) gives")
    for inner_name, inner in {**own, **given}.items():
        _refuse_unfillable(f"{where}: {inner_name!r} of {name}()", inner)


def _needs_context(dependency: object) -> bool:
    if isinstance(dependency, _DEPENDS):
        given = dependency.bindings
        own = get_dependency_parameters(dependency.factory)
        inner = [*given.values(), *(value for name, value in own.items() if name not in given)]
        return any(map(_needs_context, inner))
    return isinstance(dependency, _CurrentContext)


def _caller() -> Caller | None:
    principal = current_scope().facts.principal
    if principal is None:
        return None
    return Caller(
        client_id=principal.client_id,
        issuer=principal.issuer,
        subject=principal.subject,
        scopes=tuple(principal.scopes or ()),
        claims=dict(principal.claims or {}),
    )


def _claims(caller: Caller) -> JsonObject:
    """The token's claims, with those that verifiers hand over as fields of their own."""
    known = {"client_id": caller.client_id, "iss": caller.issuer, "sub": caller.subject}
    return {name: value for name, value in known.items() if value is not None} | caller.claims


def _unauthenticated(what: str) -> Exception:
    return MCPError(code=INVALID_REQUEST, message=f"This call needs {what}")


__all__ = [
    "Caller",
    "CurrentAccessToken",
    "CurrentContext",
    "CurrentHeaders",
    "CurrentTask",
    "Dependency",
    "Depends",
    "Progress",
    "Shared",
    "TaskInfo",
    "TokenClaim",
]
