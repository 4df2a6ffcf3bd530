"""Exceptions of a tool as its author wants to read them: type, message and the author's own frames.

A tool is called through dozens of frames of mcptasks, the MCP SDK and others, and its exception comes wrapped into one
of the SDK's. None of that is of use to whoever looks for the fault.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

from mcptasks.diagnostics.user_modules import author_name, shown_name

LEFT_OUT = "frames of libraries left out, MCPTASKS_LOG_LEVEL=DEBUG shows them"

MAX_OTHERS = 3
"""How many exceptions of a group are told besides its first one."""

MAX_CAUSES = 3
"""How many exceptions are told that led to the one that is told first."""

MAX_FRAMES = 10
"""How many frames of one exception are shown: a recursion has a thousand."""

_HOSTS = frozenset(
    {"mcptasks", "mcp", "anyio", "asyncio", "concurrent", "contextlib", "functools", "starlette", "threading"}
    | {"uncalled_for", "uvicorn"}
)
"""Top-level modules between the server's loop and a tool."""

_STANDARD_LIBRARY = os.path.dirname(os.__file__) + os.sep
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


@dataclass(frozen=True)
class _OwnFrames:
    """An exception, and which frames of its traceback are the author's, outermost first."""

    error: BaseException
    indices: tuple[int, ...]
    places: tuple[str, ...]
    package: str | None = None
    """The installed package that they are of, where the author's code is one."""


def exception_summary(error: BaseException) -> str:
    """The exception's type and message, and a line for each of the author's frames, without directories.

    Then the same of what the author has caught or named before raising it, and of others of its group.
    """
    own = list(_own_frames(error))
    # A group only says how many exceptions it has.
    said = next((each for each in own if not isinstance(each.error, BaseExceptionGroup)), None)
    chosen = said or _OwnFrames(_root(error), (), ())
    places = chosen.places or next((each.places for each in own), ())
    lines = [_headline(chosen.error), *_places(places), *_causes(chosen, own), *_beside(error)]
    return "\n".join(lines)


def _places(places: tuple[str, ...]) -> list[str]:
    return _shortened([f"  at {place}" for place in places])


def _causes(chosen: _OwnFrames, own: list[_OwnFrames]) -> list[str]:
    """Lines about what led to the exception; not about what libraries have caught among themselves."""
    places = {id(each.error): each.places for each in own if each.package == chosen.package}
    before = [each for each in _chain(chosen.error) if not isinstance(each, BaseExceptionGroup)][1:]
    told = [each for each in before if id(each) in places or each.__traceback__ is None]
    lines: list[str] = []
    for each in told[:MAX_CAUSES]:
        lines += [f"caused by {_headline(each)}", *_places(places.get(id(each), ()))]
    return [*lines, f"caused by {len(told) - MAX_CAUSES} more"] if len(told) > MAX_CAUSES else lines


def _beside(error: BaseException) -> list[str]:
    """Lines about what a group of exceptions has besides its first one."""
    group = next((each for each in _chain(error) if isinstance(each, BaseExceptionGroup)), None)
    others = [] if group is None else list(_members(group))[1:]
    lines = [f"and {_headline(_root(other))}" for other in others[:MAX_OTHERS]]
    return [*lines, f"and {len(others) - MAX_OTHERS} more"] if len(others) > MAX_OTHERS else lines


def _members(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """The exceptions of a group, and of the groups in it."""
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _members(each)
        else:
            yield each


def own_traceback(error: BaseException) -> str | None:
    """The traceback with the author's frames alone; None for an exception that passed through none of them."""
    blocks = [_block(each) for each in _own_frames(error)]
    return "\nDuring handling of the exception above, or caused by it:\n\n".join(reversed(blocks)) or None


def _own_frames(error: BaseException) -> Iterator[_OwnFrames]:
    """The exceptions of the chain that passed through code of the author, the last one raised first."""
    for each in _chain(error):
        frames = [frame for frame, _ in traceback.walk_tb(each.__traceback__)]
        own = [index for index, frame in enumerate(frames) if not _is_library(frame)]
        package = None if own else _called_package(frames)
        if package is not None:
            own = [index for index, frame in enumerate(frames) if _top_level(frame) == package]
        if own:
            lines = [line for _, line in traceback.walk_tb(each.__traceback__)]
            places = tuple(f"{_file(frames[i])}:{lines[i]} in {frames[i].f_code.co_name}" for i in own)
            yield _OwnFrames(each, tuple(own), places, package)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, what it came from, and so on; of a group the first one."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = _origin(current)


def _origin(error: BaseException) -> BaseException | None:
    if isinstance(error, BaseExceptionGroup):
        return error.exceptions[0]
    if error.__cause__ is not None or error.__suppress_context__:
        return error.__cause__
    return error.__context__


def _root(error: BaseException) -> BaseException:
    """What the exception was raised from, by `from`."""
    seen = {id(error)}
    while True:
        origin = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__
        if origin is None or id(origin) in seen:
            return error
        seen.add(id(origin))
        error = origin


def _called_package(frames: list[FrameType]) -> str | None:
    """The installed package that has the tool: that of the first frame beyond those that call tools."""
    first = next((frame for frame in frames if _top_level(frame) not in _HOSTS), None)
    if first is None or not any(part in first.f_code.co_filename for part in _INSTALLED):
        return None
    return _top_level(first)


def _is_library(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return (
        file.startswith(("<", _STANDARD_LIBRARY))
        or any(part in file for part in _INSTALLED)
        or _top_level(frame) == "mcptasks"
    )


def _top_level(frame: FrameType) -> str:
    return _module(frame).partition(".")[0]


def _module(frame: FrameType) -> str:
    return author_name(str(frame.f_globals.get("__name__") or ""))


def _file(frame: FrameType) -> str:
    """The frame's file, from its top-level package on."""
    parts = frame.f_code.co_filename.split(os.sep)
    depth = _module(frame).count(".") + 1
    return "/".join(parts[-(depth + (parts[-1] == "__init__.py")) :])


def _headline(error: BaseException) -> str:
    """Type and message, in characters that every encoding of Unicode has."""
    if isinstance(error, SyntaxError):
        text = f"{type(error).__name__}: {_message(error)}"
    else:
        text = "".join(traceback.format_exception_only(error)).strip()
        module = str(type(error).__module__)
        text = f"{shown_name(module)}{text.removeprefix(module)}" if text.startswith(f"{module}.") else text
    # Names of files that are no UTF-8 have half characters, which no answer and no outcome can carry.
    return text.encode("utf-8", "backslashreplace").decode()


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the author's code; Python says the same of others
        return "<exception str() failed>"


def _block(own: _OwnFrames) -> str:
    whole = traceback.extract_tb(own.error.__traceback__)
    kept = traceback.StackSummary.from_list([whole[index] for index in own.indices])
    lines = [f"Traceback (most recent call last; {LEFT_OUT}):\n", *_shortened(kept.format()), _headline(own.error)]
    return "".join(lines) + "\n"


def _shortened(lines: list[str]) -> list[str]:
    if len(lines) <= MAX_FRAMES:
        return lines
    half = MAX_FRAMES // 2
    mark = f"  ... {len(lines) - 2 * half} frames ..." + ("\n" if lines[0].endswith("\n") else "")
    return [*lines[:half], mark, *lines[-half:]]
