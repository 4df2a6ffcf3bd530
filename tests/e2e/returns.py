"""A server whose tools, prompts and resources answer with everything that such functions may return, and fail too.

The tests compare each answer inline with the same one as a task.
"""

import asyncio
import base64
import datetime
import decimal
import enum
import math
import uuid
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, TypedDict

from mcp.server.mcpserver import Audio, Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ToolError
from mcp.server.mcpserver.prompts.base import AssistantMessage, Message, UserMessage
from mcp.shared.exceptions import MCPError
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel, ConfigDict, Field, RootModel, TypeAdapter

from mcptasks import Depends, File, Progress, TaskConfig, TaskServer

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Colour(enum.Enum):
    RED = "red"


class Row(BaseModel):
    """Its fields have other names on the wire."""

    model_config = ConfigDict(populate_by_name=True)

    row_number: int = Field(alias="rowNumber")
    when: datetime.date | None = None
    cells: list[decimal.Decimal] = Field(default_factory=list, serialization_alias="theCells")


class Rows(RootModel[list[Row]]):
    pass


class Tree(BaseModel):
    value: int
    children: list["Tree"] = Field(default_factory=list)


class Point(TypedDict, total=False):
    x: int
    y: int


@dataclass
class Segment:
    name: str
    ends: tuple[int, int]


@asynccontextmanager
async def alive(_: MCPServer[Any]) -> AsyncIterator[str]:
    yield "alive"


def a_folder() -> Iterator[Path]:
    """A folder that is gone as soon as the call is over."""
    with TemporaryDirectory(prefix="mcptasks-") as name:
        yield Path(name)


def written(path: Path) -> Path:
    """The path, with some bytes in the file."""
    path.write_bytes(PIXEL)
    return path


def _add_primitives(mcp: TaskServer[Any]) -> None:
    tool = mcp.tool()

    @tool
    def a_str() -> str:
        return 'text "quoted" \n ☃ \u2028'

    @tool
    def an_int() -> int:
        return 7

    @tool
    def a_float() -> float:
        return 1.0

    @tool
    def a_bool() -> bool:
        return True

    @tool
    def a_none() -> None:
        return None

    @tool
    def a_big_int() -> int:
        return 2**70

    @tool
    def a_nan() -> dict[str, float]:
        return {"nan": math.nan, "inf": math.inf, "tiny": 5e-324}

    @mcp.tool(structured_output=False)
    def an_unstructured_nan() -> Any:
        return [math.nan, -math.inf]


def _add_values_that_json_has_as_text(mcp: TaskServer[Any]) -> None:
    tool = mcp.tool()

    @tool
    def some_bytes() -> bytes:
        return b"bytes"

    @tool
    def a_uuid() -> uuid.UUID:
        return uuid.UUID(int=7)

    @tool
    def a_path() -> Path:
        return Path("/a/b")

    @tool
    def a_datetime() -> datetime.datetime:
        return datetime.datetime(2026, 7, 28, 12, 30, 0, 5, tzinfo=datetime.UTC)

    @tool
    def a_timedelta() -> datetime.timedelta:
        return datetime.timedelta(minutes=90)

    @tool
    def a_decimal() -> decimal.Decimal:
        return decimal.Decimal("1.10")

    @tool
    def an_enum() -> Colour:
        return Colour.RED


def _add_containers(mcp: TaskServer[Any]) -> None:
    tool = mcp.tool()

    @tool
    def a_dict() -> dict[str, int]:
        return {"b": 1, "a": 2}

    @tool
    def a_dict_of_ints() -> dict[int, list[str]]:
        return {1: ["x"], 0: []}

    @tool
    def a_list() -> list[str]:
        return ["x", "y"]

    @tool
    def a_tuple() -> tuple[int, str, float]:
        return 1, "x", 2.5

    @tool
    def a_set() -> set[int]:
        return {7}


def _add_empty_and_nested(mcp: TaskServer[Any]) -> None:
    tool = mcp.tool()

    @tool
    def an_empty_list() -> list[str]:
        return []

    @tool
    def an_empty_dict() -> dict[str, Any]:
        return {}

    @tool
    def an_empty_str() -> str:
        return ""

    @tool
    def nested() -> list[dict[str, list[int | None]]]:
        return [{"a": [1, None]}, {}]

    @tool
    def anything() -> Any:
        return {"a": [1, 1.0, None, {"b": ()}], "c": Row(row_number=1)}

    @tool
    def unannotated():  # type: ignore[no-untyped-def]
        return ["x", 1]


def _add_models(mcp: TaskServer[Any]) -> None:
    tool = mcp.tool()

    @tool
    def a_model() -> Row:
        return Row(row_number=1, when=datetime.date(2026, 1, 2), cells=[decimal.Decimal("0.10")])

    @tool
    def models() -> list[Row]:
        return [Row(row_number=1), Row(row_number=2)]

    @tool
    def a_root_model() -> Rows:
        return Rows([Row(row_number=1)])

    @tool
    def a_recursive_model() -> Tree:
        return Tree(value=1, children=[Tree(value=2)])

    @tool
    def a_typed_dict() -> Point:
        return {"x": 1}

    @tool
    def a_dataclass() -> Segment:
        return Segment("s", (1, 2))


def _add_unions(mcp: TaskServer[Any]) -> None:
    tool = mcp.tool()

    @tool
    def a_union_str() -> str | int:
        return "x"

    @tool
    def a_union_int() -> str | int:
        return 1

    @tool
    def an_optional_str() -> str | None:
        return "x"

    @tool
    def an_optional_none() -> str | None:
        return None

    @tool
    def a_union_of_models() -> Row | Segment:
        return Segment("s", (1, 2))


def _add_media(mcp: TaskServer[Any]) -> None:
    tool = mcp.tool()

    @tool
    def an_image() -> Image:
        return Image(data=PIXEL, format="png")

    @tool
    def an_image_of_a_file(folder: Path = Depends(a_folder)) -> Image:
        return Image(path=written(folder / "pixel.png"))

    @tool
    def an_audio() -> Audio:
        return Audio(data=b"RIFF", format="wav")

    @tool
    def an_audio_of_a_file(folder: Path = Depends(a_folder)) -> Audio:
        return Audio(path=written(folder / "beep.ogg"))

    @tool
    def a_file(folder: Path = Depends(a_folder)) -> File:
        return File(path=written(folder / "pixel.bin"))

    @tool
    async def a_file_of_text() -> File:
        return File(data="☃,1\n".encode(), format="csv")

    @tool
    def files(folder: Path = Depends(a_folder)) -> list[Image | Audio | File | str]:
        path = written(folder / "pixel.png")
        return [Image(path=path), Audio(path=path, format="wav"), "and", File(path=path, name="same.png")]

    @tool
    def a_missing_file(folder: Path = Depends(a_folder)) -> Image:
        return Image(path=folder / "missing.png")


def _add_content(mcp: TaskServer[Any]) -> None:
    tool = mcp.tool()

    @tool
    def text_content() -> TextContent:
        return TextContent(type="text", text="x", _meta={"k": 1})

    @tool
    def image_content() -> ImageContent:
        return ImageContent(type="image", data=base64.b64encode(PIXEL).decode(), mime_type="image/png")

    @tool
    def audio_content() -> AudioContent:
        return AudioContent(type="audio", data="UklGRg==", mime_type="audio/wav")

    @tool
    def a_text_file() -> EmbeddedResource:
        return EmbeddedResource(
            type="resource", resource=TextResourceContents(uri="file:///a.txt", text="x", mime_type="text/plain")
        )

    @tool
    def a_binary_file() -> EmbeddedResource:
        return EmbeddedResource(type="resource", resource=BlobResourceContents(uri="file:///a.bin", blob="AAE="))

    @tool
    def a_link() -> ResourceLink:
        return ResourceLink(type="resource_link", uri="file:///a.txt", name="a", size=1)

    @tool
    def mixed() -> list[str | int | Image | TextContent | dict[str, None] | list[int]]:
        return ["x", 1, Image(data=PIXEL, format="png"), TextContent(type="text", text="y"), {"a": None}, [1]]

    @tool
    def a_whole_result() -> CallToolResult:
        return CallToolResult(
            content=[TextContent(type="text", text="x")], structured_content={"a": 2**70}, _meta={"k": [1, {"b": 2}]}
        )

    @tool
    def a_whole_result_with_a_schema() -> Annotated[CallToolResult, Point]:
        return CallToolResult(content=[], structured_content={"x": 1})


def _add_other_functions(mcp: TaskServer[Any]) -> None:
    tool = mcp.tool()

    @tool
    async def asynchronous() -> list[int]:
        return [1, 2]

    @tool
    def dependent(row: Row = Depends(lambda: Row(row_number=5))) -> Row:
        return row

    @tool
    async def surrounded(ctx: Context[Any, Any], seconds: float = 0, progress: Progress = Progress()) -> str:
        """Tells what its server's lifespan yields, with progress and logs on the way."""
        print("printed")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            await ctx.info("told the caller")
        progress.set_total(2)
        for _ in range(2):
            await asyncio.sleep(seconds)
            progress.increment()
        progress.set_message("done")
        return str(ctx.request_context.lifespan_context)


def _add_failures(mcp: TaskServer[Any]) -> None:
    tool = mcp.tool()

    @tool
    def a_tool_error() -> str:
        raise ToolError("this cannot be done")

    @tool
    def an_mcp_error() -> str:
        raise MCPError(code=-32050, message="not like this", data={"why": ["a", 1.0]})

    @tool
    def a_crash() -> str:
        raise RuntimeError("secret")

    @tool
    def a_validation_error() -> str:
        return str(TypeAdapter(int).validate_python("secret"))

    @tool
    def not_what_it_promised() -> int:
        return "x"  # type: ignore[return-value]

    @tool
    def an_error_result() -> CallToolResult:
        return CallToolResult(content=[TextContent(type="text", text="no")], is_error=True)

    @tool
    def needs_an_int(n: int) -> int:
        return n


def _add_prompts(mcp: TaskServer[Any]) -> None:
    prompt = mcp.prompt()

    @prompt
    def one_message() -> str:
        return "hello"

    @prompt
    def several_messages(topic: str, count: int = 2) -> list[Message]:
        """What to say."""
        return [UserMessage(f"{count} things about {topic}"), AssistantMessage("Which?")]

    @prompt
    async def an_image_message(folder: Path = Depends(a_folder)) -> list[Any]:
        return [
            UserMessage(Image(path=written(folder / "pixel.png"))),
            {"role": "assistant", "content": {"type": "text", "text": "nice"}},
        ]

    @prompt
    def a_failing_prompt() -> str:
        raise RuntimeError("secret")

    @prompt
    def a_refusing_prompt() -> str:
        raise MCPError(code=-32051, message="no", data=[1])


def _add_resources(mcp: TaskServer[Any]) -> None:
    @mcp.resource("returns://text", mime_type="text/markdown")
    def a_text() -> str:
        return "# text ☃"

    @mcp.resource("returns://json", mime_type="application/json")
    async def some_json() -> dict[str, Any]:
        return {"b": [1, 1.0, None], "a": Row(row_number=1)}

    @mcp.resource("returns://bytes", mime_type="image/png")
    def a_blob() -> bytes:
        return PIXEL

    @mcp.resource("returns://{year}/report", meta={"k": 1})
    def a_report(year: int, text: str = Depends(lambda: "report")) -> str:
        return f"{text} of {year + 1}"

    @mcp.resource("returns://crash")
    def a_crashing_resource() -> str:
        raise RuntimeError("secret")

    @mcp.resource("returns://refuse")
    def a_refusing_resource() -> str:
        raise ResourceError("this cannot be read")


def make() -> TaskServer[Any]:
    """The server, afresh."""
    mcp: TaskServer[Any] = TaskServer("returns", tasks=TaskConfig(poll_interval=0.2), lifespan=alive)
    _add_primitives(mcp)
    _add_values_that_json_has_as_text(mcp)
    _add_containers(mcp)
    _add_empty_and_nested(mcp)
    _add_models(mcp)
    _add_unions(mcp)
    _add_media(mcp)
    _add_content(mcp)
    _add_other_functions(mcp)
    _add_failures(mcp)
    _add_prompts(mcp)
    _add_resources(mcp)
    return mcp


mcp = make()
