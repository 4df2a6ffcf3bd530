"""What functions return that JSON does not know: told at the start or by the call, never shown as Python would."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import ChainMap
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, update_wrapper, wraps
from types import SimpleNamespace
from typing import Annotated, Any, Generic, NewType, TypeVar, final

import pytest
from mcp.server.mcpserver import Audio, Image
from mcp.server.mcpserver.exceptions import ResourceError, ToolError, UnexpectedToolError
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, ContentBlock, TextContent
from pydantic import BaseModel, field_serializer

from mcptasks import DeclarationError, File, TaskServer
from mcptasks.diagnostics.tracebacks import exception_summary
from mcptasks.model.task import ComponentKind

pytestmark = pytest.mark.anyio

REFUSED = r"the result cannot be written as JSON: it has .*; return str, a list, a dict"

T = TypeVar("T")


class Opaque:
    """Nobody knows its fields, and there is no other kind of it."""


@final
class Sealed:
    """There never will be."""


class Animal:
    """What is returned is one of its subclasses, too."""


@dataclass
class Dog(Animal):
    name: str


class Broken:
    def __str__(self) -> str:
        raise ValueError("not open yet")


class Weighed:
    """As attrs makes classes."""

    __attrs_attrs__ = (SimpleNamespace(name="grams"), SimpleNamespace(name="of"))

    def __init__(self, grams: int, of: object = None) -> None:
        self.grams, self.of = grams, of

    def __repr__(self) -> str:
        return f"Weighed({self.grams!r}, {self.of!r})"


class Coded:
    def __init__(self, code: object) -> None:
        self.code = code

    def __repr__(self) -> str:
        return f"Coded({self.code!r})"


class Items:
    """As an array of NumPy is."""

    def __init__(self, *items: object) -> None:
        self.items, self.size = items, len(items)

    def __array__(self) -> None: ...

    def __len__(self) -> int:
        return self.size

    def __str__(self) -> str:
        return "[1 ... 2]"

    def tolist(self) -> object:
        return list(self.items) if self.size > 1 else self.items[0]


class ListedColumn(Items):
    """As a series of pandas is."""

    index = (1, 2)


class Priced:
    def __str__(self) -> str:
        return "5 EUR"


class Annotations:
    """The SDK makes structured content of its fields."""

    rows: int

    def __init__(self) -> None:
        self.rows = 3


class OpaqueField:
    inner: Opaque


class Box(Generic[T]):
    pass


class Shape(ABC):
    """What is returned is one of its subclasses."""

    @abstractmethod
    def area(self) -> float: ...


@dataclass
class Circle(Shape):
    radius: int

    def area(self) -> float:
        return 3.14 * self.radius**2


class Table:
    """As arrays and data frames are: their text leaves rows out."""

    def __array__(self) -> None: ...

    def __len__(self) -> int:
        return 1_000_000

    def __str__(self) -> str:
        return "[1 ... 2]"


Renamed = NewType("Renamed", Opaque)


def returning(annotation: object) -> Callable[[], Any]:
    def it():  # type: ignore[no-untyped-def]
        ...

    it.__annotations__["return"] = annotation
    return it


@pytest.mark.parametrize(
    "annotation",
    [
        Sealed,
        dict[str, list[Sealed]],
        Annotated[Sealed | None, "a note"],
        Table,
        dict[str, Table],
        ListedColumn,
        # The SDK takes none of these.
        list[Opaque],
        Opaque | None,
        Renamed,
        OpaqueField,
        Box[int],
        Awaitable[int],
    ],
    ids=str,
)
def test_an_annotation_that_no_result_can_have_is_refused_where_it_is_declared(annotation: object) -> None:
    mcp: TaskServer[Any] = TaskServer("x", tasks=True)
    with pytest.raises(
        DeclarationError, match=r"tool 'it': its return annotation, .*, cannot be written as JSON: return"
    ):
        mcp.tool()(returning(annotation))
    assert mcp.catalogue.find(ComponentKind.TOOL, "it") is None
    mcp.tool()(returning(str))


@pytest.mark.parametrize(
    "annotation",
    [
        dict[str, Image],
        "dict[str, Image]",
        Mapping[str, list[Image]],
        list[dict[str, Audio]],
        dict[str, Image | None] | None,
        set[Image],
        Annotated[dict[str, Audio], "a note"],
    ],
    ids=str,
)
def test_an_image_or_audio_where_none_can_be_written_is_refused_where_it_is_declared(annotation: object) -> None:
    mcp: TaskServer[Any] = TaskServer("x", tasks=True)
    for label, declare in (("tool", mcp.tool()), ("prompt", mcp.prompt()), ("resource", mcp.resource("it://it"))):
        # Some of them the SDK does not take of a tool, whatever is in them.
        how = f"^{label} .*: its return annotation, .*, (has an Image or Audio where it cannot|cannot) be written"
        with pytest.raises(DeclarationError, match=how):
            declare(returning(annotation))
    assert mcp.catalogue.find(ComponentKind.TOOL, "it") is None


@pytest.mark.parametrize("annotation", [Image, list[Image], Audio | None, tuple[str, Image], Sequence[Image | str]])
def test_a_resource_has_none_at_all(annotation: object) -> None:
    mcp: TaskServer[Any] = TaskServer("x")
    mcp.tool()(returning(annotation))
    mcp.prompt()(returning(annotation))
    with pytest.raises(DeclarationError, match=r"has an Image or Audio .*: return its bytes, and give mime_type="):
        mcp.resource("it://it")(returning(annotation))


def test_a_prompt_has_none_within_two_lists() -> None:
    mcp: TaskServer[Any] = TaskServer("x")
    mcp.tool()(returning(list[list[Image]]))
    with pytest.raises(DeclarationError, match=r"prompt 'it': .* has an Image or Audio .*: return it by itself"):
        mcp.prompt()(returning(list[list[Image]]))


@pytest.mark.parametrize(
    "annotation",
    [
        Opaque,
        "Opaque",
        dict[str, Opaque],
        dict[str, list[Opaque]],
        Annotated[Opaque, "a note"],
    ],
    ids=str,
)
def test_one_that_only_subclasses_could_have_is_warned_of(annotation: object, caplog: pytest.LogCaptureFixture) -> None:
    TaskServer("x").tool()(returning(annotation))
    (told,) = caplog.messages
    assert told.startswith("tool 'it': its return annotation, ")
    assert "can be written as JSON only where a subclass can: return str" in told


def test_prompts_and_resources_say_it_as_well(caplog: pytest.LogCaptureFixture) -> None:
    mcp: TaskServer[Any] = TaskServer("x")
    for declare in (mcp.prompt(), mcp.resource("it://it")):
        with pytest.raises(DeclarationError, match="its return annotation, Sealed, cannot be written as JSON"):
            declare(returning("Sealed"))
        declare(returning("Opaque"))
    assert len(caplog.messages) == 2


def test_annotated_fields_without_structured_content_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    TaskServer("x").tool(structured_output=False)(returning(Annotations))
    assert "Annotations, can be written as JSON only where a subclass can" in caplog.text


def test_an_asynchronous_generator_is_refused() -> None:
    async def it() -> AsyncIterator[int]:
        yield 1

    async def bare():  # type: ignore[no-untyped-def]
        yield 1

    with pytest.raises(DeclarationError, match="cannot be written as JSON"):
        TaskServer("x").tool()(it)
    with pytest.raises(DeclarationError, match="tool 'bare': it is an asynchronous generator"):
        TaskServer("x").tool()(bare)


async def test_a_function_that_gathers_what_a_generator_gives_is_taken() -> None:
    def gathered(fn: Callable[[], AsyncIterator[int]]) -> Callable[[], Awaitable[list[int]]]:
        @wraps(fn)
        async def call() -> list[int]:
            return [each async for each in fn()]

        return call

    async def numbers():  # type: ignore[no-untyped-def]
        yield 1
        yield 2

    mcp: TaskServer[Any] = TaskServer("x")
    mcp.tool()(gathered(numbers))
    result = await mcp.call_tool("numbers", {})
    assert isinstance(result, CallToolResult)
    assert [block.text for block in result.content if isinstance(block, TextContent)] == ["1", "2"]
    with pytest.raises(DeclarationError, match="it is an asynchronous generator"):
        TaskServer("x").tool()(update_wrapper(partial(numbers), numbers))


@pytest.mark.parametrize(
    "annotation",
    [
        Any,
        object,
        None,
        dict,
        dict[str, Any],
        list[Image],
        list[Image | str],
        Image | None,
        Image,
        File,
        ContentBlock,
        CallToolResult,
        Priced,
        dict[str, Priced],
        Annotations,
        Shape,
        Circle,
        Animal,
        Weighed,
        Coded,
        Items,
        SimpleNamespace,
        range,
        T,
        type[Opaque],
        list[Image] | list[Any],
        list[Image | TextContent] | None,
        Annotated[CallToolResult, Any],
    ],
    ids=str,
)
def test_what_may_be_written_is_taken(annotation: object, caplog: pytest.LogCaptureFixture) -> None:
    TaskServer("x").tool()(returning(annotation))
    assert not caplog.messages


async def called(value: object, annotation: object = None) -> CallToolResult:
    def it():  # type: ignore[no-untyped-def]
        return value

    if annotation is not None:
        it.__annotations__["return"] = annotation
    mcp: TaskServer[Any] = TaskServer("x")
    mcp.tool()(it)
    result = await mcp.call_tool("it", {})
    assert isinstance(result, CallToolResult)
    return result


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (Opaque(), None),
        ({"rows": [Opaque()]}, None),
        (["first", Opaque()], None),
        ({"rows": Opaque()}, dict[str, Any]),
        (Opaque(), Any),
        (Opaque(), Shape),
        (Annotations(), None),
        ({"picture": Image(data=b"x", format="png")}, None),
        (Table(), None),
        (Items(*range(1001)), None),
        (Items(1, Opaque()), None),
        (ListedColumn(1, 2), None),
        (Coded(Opaque()), None),
        (SimpleNamespace(of=Opaque()), None),
        (Weighed(1, of=Opaque()), None),
        (Animal(), Animal),
        (print, None),
        (partial(returning), None),
        (Opaque, None),
        (b"\xff", None),
    ],
)
async def test_a_value_that_cannot_be_written_is_told_by_the_call(value: object, annotation: object) -> None:
    with pytest.raises(ToolError, match=f"^Error executing tool it: {REFUSED}"):
        await called(value, annotation)


async def test_what_an_object_raises_that_is_asked_what_it_is_has_its_place() -> None:
    for value in (Broken(), {"a": [Broken()]}):
        with pytest.raises(UnexpectedToolError) as failed:
            await called(value)
        cause = failed.value.__cause__
        assert cause is not None
        first, *_, last = exception_summary(cause).splitlines()
        assert first == "ValueError: not open yet"
        assert last.endswith("in __str__")


async def test_the_type_is_named() -> None:
    with pytest.raises(ToolError, match=r"it has a value of type tests\.unit\..*\.Opaque; return"):
        await called({"a": Opaque()})
    with pytest.raises(ToolError, match=r"it has a value of type tests\.unit\..*\.Opaque; return"):
        await called({"a": Opaque()}, dict[str, Any])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Priced(), '"5 EUR"'),
        ({"price": Priced()}, '{"price": "5 EUR"}'),
        (Circle(2), '{"radius": 2}'),
        (range(2), "[0, 1]"),
        ({"a": 1}.values(), "[1]"),
        (ChainMap({"a": 1}), '{"a": 1}'),
        ((number for number in range(2)), "[0, 1]"),
        (ValueError("a reason"), '"a reason"'),
        (Weighed(5, of=Dog("Rex")), '{"grams": 5, "of": {"name": "Rex"}}'),
        (Coded(5), '"Coded(5)"'),
        (SimpleNamespace(a=1), '"namespace(a=1)"'),
        ({"rows": Items(1, 2)}, '{"rows": [1, 2]}'),
        (Items(3.5), "3.5"),
    ],
)
async def test_what_says_what_it_is_is_written(value: object, text: str) -> None:
    (block,) = (await called(value)).content
    assert isinstance(block, TextContent)
    assert json.loads(block.text) == json.loads(text)


async def test_one_of_a_subclass_is_written() -> None:
    (block,) = (await called(Dog("Rex"), Animal)).content
    assert isinstance(block, TextContent)
    assert json.loads(block.text) == {"name": "Rex"}


class Spoken(BaseModel):
    text: str

    @field_serializer("text")
    def spoken(self, text: str) -> str:
        raise ValueError(f"{text} is not invalid utf-8, and no Unable to serialize unknown type: <class 'x'>")


async def test_an_error_of_the_authors_serializer_stays_what_it_is() -> None:
    for annotation in (None, Spoken):
        with pytest.raises(ToolError) as failed:
            await called(Spoken(text="x"), annotation)
        assert "cannot be written as JSON" not in str(failed.value)


async def test_the_text_of_annotated_fields_is_that_of_the_structured_content() -> None:
    result = await called(Annotations(), Annotations)
    assert result.structured_content == {"rows": 3}
    assert result.content == [TextContent(type="text", text='{\n  "rows": 3\n}')]


async def test_prompts_and_resources_tell_it_as_well() -> None:
    mcp: TaskServer[Any] = TaskServer("x")

    async def later():  # type: ignore[no-untyped-def]
        return Opaque()

    mcp.resource("it://it", name="it")(lambda: {"a": Opaque()})
    mcp.resource("it://later")(later)
    mcp.resource("it://of/{name}", name="of")(lambda name: Opaque())
    mcp.prompt("it")(lambda: ["first", Opaque()])
    for uri in ("it://it", "it://later", "it://of/me"):
        with pytest.raises(ResourceError, match=REFUSED):
            await mcp.read_resource(uri)
    with pytest.raises(MCPError, match=f"Error rendering prompt it: {REFUSED}"):
        await mcp.get_prompt("it")


async def test_prompts_and_resources_write_the_rest_as_before() -> None:
    mcp: TaskServer[Any] = TaskServer("x")
    mcp.resource("it://it", name="it")(lambda: {"a": range(2)})
    mcp.resource("it://bytes", name="bytes")(lambda: b"\xff")
    mcp.prompt("it")(lambda: ["first", {"role": "assistant", "content": "second"}, 3])
    contents: list[Any] = [await mcp.read_resource(uri) for uri in ("it://it", "it://bytes")]
    assert [each.content for read in contents for each in read] == ['{\n  "a": [\n    0,\n    1\n  ]\n}', b"\xff"]
    prompt: Any = await mcp.get_prompt("it")
    texts = [(message.role, message.content.text) for message in prompt.messages]
    assert texts == [("user", "first"), ("assistant", "second"), ("user", "3")]
