"""Exceptions as the author of a tool wants to read them."""

from __future__ import annotations

import asyncio
import importlib
import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mcptasks.authoring.user_files import name_of_file
from mcptasks.diagnostics.tracebacks import LEFT_OUT, MAX_CAUSES, exception_summary, own_traceback
from mcptasks.logs import TOOL_LOGGER, configure_logging


def raised(fn: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as caught:
        fn()
    return caught.value


def divided() -> float:
    return 1 // 0


def wrapped_by_a_library() -> object:
    """As the SDK does: what it raises instead has none of the author's frames."""
    namespace: dict[str, object] = {"fn": divided, "__name__": "mcp.server"}
    code = "def run():\n try: fn()\n except Exception as e: raise RuntimeError('Error executing tool divided') from e"
    exec(compile(code, "/venv/lib/python3/site-packages/mcp/base.py", "exec"), namespace)
    return namespace["run"]()  # type: ignore[operator]


def raised_by_a_library() -> Exception:
    """What it raises, without the frames of this test."""
    error = raised(wrapped_by_a_library)
    assert error.__traceback__ is not None
    assert error.__traceback__.tb_next is not None
    return error.with_traceback(error.__traceback__.tb_next.tb_next)


class TestSummary:
    def test_it_has_type_message_and_own_frames(self) -> None:
        first, *places = exception_summary(raised_by_a_library()).splitlines()
        assert first == "ZeroDivisionError: integer division or modulo by zero"
        assert (
            places[-1]
            == f"  at tests/unit/diagnostics/test_tracebacks.py:{divided.__code__.co_firstlineno + 1} in divided"
        )
        assert "base.py" not in "\n".join(places)

    def test_what_an_exception_was_raised_from_is_told_with_its_frames(self) -> None:
        def reads() -> None:
            raise KeyError("port")

        def connects() -> None:
            try:
                reads()
            except KeyError as error:
                raise RuntimeError("no connection") from error

        lines = exception_summary(raised(connects)).splitlines()
        assert lines[0] == "RuntimeError: no connection"
        cause = lines.index("caused by KeyError: 'port'")
        assert lines[cause - 1].endswith("in connects")
        assert lines[-1].endswith("in reads")

    def test_so_is_what_was_being_handled_and_what_was_only_named(self) -> None:
        def handles() -> None:
            try:
                divided()
            except ZeroDivisionError:
                raise ValueError("no ratio")  # noqa: B904

        def names() -> None:
            raise ValueError("no ratio") from OSError("disk")

        def hides() -> None:
            try:
                divided()
            except ZeroDivisionError:
                raise ValueError("no ratio") from None

        assert "caused by ZeroDivisionError: integer division" in exception_summary(raised(handles))
        assert "caused by OSError: disk" in exception_summary(raised(names))
        assert "caused by" not in exception_summary(raised(hides))

    def test_a_long_chain_is_cut(self) -> None:
        def chain(length: int) -> None:
            try:
                chain(length - 1) if length else divided()
            except ArithmeticError as error:
                raise ArithmeticError(f"step {length}") from error

        text = exception_summary(raised(lambda: chain(20)))
        assert text.count("caused by") == MAX_CAUSES + 1
        assert text.endswith(f"caused by {21 - MAX_CAUSES} more")

    def test_what_libraries_catch_among_themselves_is_not_told(self) -> None:
        def calls() -> object:
            namespace: dict[str, object] = {"__name__": "library.client"}
            code = "def run():\n try: int('x')\n except ValueError as e: raise RuntimeError('no connection') from e"
            exec(compile(code, "/venv/lib/python3/site-packages/library/client.py", "exec"), namespace)
            return namespace["run"]()  # type: ignore[operator]

        assert "caused by" not in exception_summary(raised(calls))

    def test_a_group_tells_its_other_exceptions_too(self) -> None:
        def several() -> None:
            raise ExceptionGroup("several", [ValueError("a"), KeyError("b"), *[OSError("c")] * 4])

        first, _, *lines = exception_summary(raised(several)).splitlines()
        assert first == "ValueError: a"
        assert lines[-4:] == ["and KeyError: 'b'", "and OSError: c", "and OSError: c", "and 2 more"]

    def test_so_do_the_groups_in_it(self) -> None:
        def several() -> None:
            raise ExceptionGroup("outer", [ExceptionGroup("inner", [ValueError("a"), TypeError("b")]), KeyError("c")])

        first, _, *lines = exception_summary(raised(several)).splitlines()
        assert first == "ValueError: a"
        assert lines[-2:] == ["and TypeError: b", "and KeyError: 'c'"]

    @pytest.mark.parametrize("kind", [Exception, SyntaxError, OSError])
    def test_one_that_cannot_say_what_it_is_is_told_all_the_same(self, kind: type[Exception]) -> None:
        class Mute(kind):  # type: ignore[misc, valid-type]
            def __str__(self) -> str:
                raise RuntimeError("not now")

        def fail() -> None:
            raise Mute("bad")

        first, *_, last = exception_summary(raised(fail)).splitlines()
        assert first.endswith("Mute: <exception str() failed>")
        assert last.endswith("in fail")
        assert "str() failed" in (own_traceback(raised(fail)) or "")

    def test_half_characters_are_shown(self) -> None:
        def fail() -> None:
            raise ValueError("no file \udcff\ud800")

        assert exception_summary(raised(fail)).splitlines()[0] == r"ValueError: no file \udcff\ud800"

    @pytest.mark.usefixtures("restored_root")
    def test_a_file_that_goes_by_a_name_of_ours_is_its_authors(self, tmp_path: Path) -> None:
        file = tmp_path / "random.py"
        body = "import logging\n\nclass Bad(Exception):\n    pass\n\n"
        file.write_text(f"{body}def fail():\n    logging.getLogger(__name__).info('mine')\n    raise Bad('luck')\n")
        module = importlib.import_module(name_of_file(file))
        heard = io.StringIO()
        configure_logging("human", "INFO", heard)
        summary = exception_summary(raised(module.fail))
        del sys.modules[module.__name__]
        assert summary.splitlines()[0] == "random.Bad: luck"
        assert summary.splitlines()[-1] == "  at random.py:8 in fail"
        assert f"INFO    {tmp_path}/random: mine" in heard.getvalue()

    def test_frames_of_the_standard_library_are_left_out(self) -> None:
        text = exception_summary(raised(lambda: json.loads("{")))
        assert text.startswith("json.decoder.JSONDecodeError: ")
        assert "json/decoder.py" not in text
        assert "test_tracebacks.py" in text

    def test_a_group_is_told_by_what_is_in_it(self) -> None:
        async def late() -> None:
            raise KeyError("x")

        async def grouped() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(late())

        first, *places = exception_summary(raised(lambda: asyncio.run(grouped()))).splitlines()
        assert first == "KeyError: 'x'"
        assert places[-1].endswith("in late")

    def test_a_recursion_is_told_in_a_few_lines(self) -> None:
        def down(n: int) -> int:
            return down(n + 1)

        lines = exception_summary(raised(lambda: down(0))).splitlines()
        assert len(lines) < 15
        assert any("frames ..." in line for line in lines)

    def test_an_exception_without_own_frames_is_told_by_what_it_came_from(self) -> None:
        error = RuntimeError("Error executing tool x")
        error.__cause__ = ValueError("no number")
        assert exception_summary(error) == "ValueError: no number"

    def test_a_tool_that_is_an_installed_package_has_own_frames_too(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "site-packages"
        (folder / "acme").mkdir(parents=True)
        (folder / "acme" / "__init__.py").write_text("")
        (folder / "acme" / "tools.py").write_text("import json\ndef read():\n    return json.loads('{')\n")
        monkeypatch.syspath_prepend(str(folder))
        from acme.tools import read  # type: ignore[import-not-found]

        namespace: dict[str, object] = {"read": read, "__name__": "mcp.server"}
        exec(compile("def run(): read()", "/venv/site-packages/mcp/base.py", "exec"), namespace)
        error = raised(namespace["run"])  # type: ignore[arg-type]
        # Without the frames of this test, as a call by the SDK has none of the author's before the tool.
        error.__traceback__ = error.__traceback__.tb_next.tb_next if error.__traceback__ else None  # type: ignore[union-attr]
        assert exception_summary(error).splitlines()[1:] == ["  at acme/tools.py:3 in read"]
        sys.modules.pop("acme.tools")


class TestTraceback:
    def test_it_ends_with_the_own_frame_and_the_exception(self) -> None:
        text = own_traceback(raised_by_a_library())
        assert text is not None
        assert text.splitlines()[-1] == "ZeroDivisionError: integer division or modulo by zero"
        assert "return 1 // 0" in "\n".join(text.splitlines()[-4:])
        assert "site-packages" not in text
        assert LEFT_OUT in text

    def test_an_exception_of_no_own_code_is_left_whole(self) -> None:
        assert own_traceback(ValueError("no frames")) is None


@pytest.fixture
def restored_root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.mark.usefixtures("restored_root")
class TestLog:
    def logged(self, log_format: str = "human", level: str = "INFO", logger: str = "mcp.server.mcpserver") -> str:
        stream = io.StringIO()
        configure_logging(log_format, level, stream)
        logging.getLogger(logger).error("Tool 'divided' failed", exc_info=raised_by_a_library())
        return stream.getvalue()

    @pytest.mark.parametrize("log_format", ["human", "json"])
    def test_what_a_tool_raised_is_a_few_lines(self, log_format: str) -> None:
        text = self.logged(log_format)
        shown = json.loads(text)["exception"] if log_format == "json" else text
        assert shown.splitlines()[-1].strip() == "ZeroDivisionError: integer division or modulo by zero"
        assert "Error executing tool" not in shown
        assert len(shown.splitlines()) < 15

    def test_debug_shows_all(self) -> None:
        assert "RuntimeError: Error executing tool divided" in self.logged(level="DEBUG")

    @pytest.mark.parametrize("logger", ["my.program", TOOL_LOGGER])
    def test_what_a_tool_logs_itself_is_left_whole(self, logger: str) -> None:
        assert "RuntimeError: Error executing tool divided" in self.logged(logger=logger)
