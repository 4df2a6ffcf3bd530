"""The server that the official conformance suite is run against: the tools that its scenarios ask for."""

from __future__ import annotations

import asyncio
import base64
import struct
import zlib
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.server.mcpserver.resolve import Elicit, Resolve
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel

from mcptasks import TaskConfig, TaskServer

mcp: TaskServer[Any] = TaskServer("conformance", tasks=TaskConfig(poll_interval=0.2))

TASK_ONLY = TaskConfig(mode="required", poll_interval=0.2)


class Confirmation(BaseModel):
    confirm: bool


class Name(BaseModel):
    name: str


@mcp.tool(task=False)
def greet(name: str) -> str:
    """Never a task."""
    return f"Hello, {name}!"


@mcp.tool()
async def slow_compute(seconds: float, label: str) -> str:
    """Takes its time."""
    await asyncio.sleep(seconds)
    return f"computed {label}"


@mcp.tool(task=TASK_ONLY)
async def failing_job() -> CallToolResult:
    """Ends with the tool's own error."""
    await asyncio.sleep(0.5)
    return CallToolResult(content=[TextContent(text="the job failed")], is_error=True)


@mcp.tool(task=TASK_ONLY)
async def protocol_error_job() -> str:
    """Ends with a JSON-RPC error."""
    raise MCPError(code=-32603, message="the job cannot be done", data={"why": "it is made so"})


@mcp.tool(task=TASK_ONLY)
async def confirm_delete(filename: str, ctx: Context[Any, Any]) -> str:
    """Asks one question while it runs."""
    answer = await ctx.elicit(f"Delete {filename}?", Confirmation)
    if answer.action == "accept" and answer.data.confirm:
        return f"deleted {filename}"
    return f"kept {filename}"


@mcp.tool(task=TASK_ONLY)
async def multi_input(ctx: Context[Any, Any]) -> str:
    """Asks two questions at once while it runs."""
    answers = await asyncio.gather(ctx.elicit("Who?", Name), ctx.elicit("Who else?", Name))
    return ", ".join(answer.action for answer in answers)


def ask_name() -> Elicit[Name]:
    return Elicit("What is your name?", Name)


@mcp.tool(task=TASK_ONLY)
def test_tool_with_task(name: Annotated[Name, Resolve(ask_name)]) -> str:
    """Asks before it becomes a task."""
    return f"Hello, {name.name}!"


# What the scenarios without tasks ask for: these tools may run as tasks, but their client asks for none.


def _png() -> str:
    """One red pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    image = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + image).decode()


def _wav() -> str:
    """One silent sample."""
    parts = struct.pack("<4sIHHIIHH4sI", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8, b"data", 1) + b"\x80"
    return base64.b64encode(b"RIFF" + struct.pack("<I", len(parts) + 4) + b"WAVE" + parts).decode()


IMAGE = ImageContent(data=_png(), mime_type="image/png")
AUDIO = AudioContent(data=_wav(), mime_type="audio/wav")


def _embedded(uri: str, text: str, kind: str = "text/plain") -> EmbeddedResource:
    return EmbeddedResource(resource=TextResourceContents(uri=uri, mime_type=kind, text=text))


@mcp.tool()
def test_simple_text() -> str:
    """Text."""
    return "This is a simple text response for testing."


@mcp.tool()
def test_image_content() -> CallToolResult:
    """An image."""
    return CallToolResult(content=[IMAGE])


@mcp.tool()
def test_audio_content() -> CallToolResult:
    """A sound."""
    return CallToolResult(content=[AUDIO])


@mcp.tool()
def test_embedded_resource() -> CallToolResult:
    """A resource inside the result."""
    text = "This is an embedded resource content."
    return CallToolResult(content=[_embedded("test://embedded-resource", text)])


@mcp.tool()
def test_multiple_content_types() -> CallToolResult:
    """Text, an image and a resource."""
    resource = _embedded("test://mixed-content-resource", '{"test":"data","value":123}', "application/json")
    return CallToolResult(content=[TextContent(text="Multiple content types test:"), IMAGE, resource])


@mcp.tool()
def test_error_handling() -> str:
    """The tool's own error."""
    raise ToolError("This tool intentionally returns an error for testing")


@mcp.tool()
async def test_tool_with_progress(ctx: Context[Any, Any]) -> str:
    """Progress on the way."""
    for progress in (0, 50, 100):
        await ctx.report_progress(progress, 100)
        await asyncio.sleep(0.05)
    return "done"


@mcp.tool()
def test_missing_capability(ctx: Context[Any, Any]) -> str:
    """Needs sampling, and says so."""
    capabilities = ctx.client_capabilities
    if capabilities is None or capabilities.sampling is None:
        raise MCPError(
            code=MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="Client did not declare sampling",
            data={"requiredCapabilities": {"sampling": {}}},
        )
    return "declared"


@mcp.prompt()
def test_simple_prompt() -> str:
    """Text."""
    return "This is a simple prompt for testing."


@mcp.prompt()
def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """Text from arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@mcp.prompt()
def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803 - the suite's name
    """A resource, and what to do with it."""
    resource = _embedded(resourceUri, "Embedded resource content for testing.")
    text = TextContent(text="Please process the embedded resource above.")
    return [UserMessage(resource), UserMessage(text)]


@mcp.prompt()
def test_prompt_with_image() -> list[UserMessage]:
    """An image, and what to do with it."""
    text = TextContent(text="Please analyze the image above.")
    return [UserMessage(IMAGE), UserMessage(text)]


@mcp.resource("test://static-text", mime_type="text/plain")
def static_text() -> str:
    return "This is the content of the static text resource."


@mcp.resource("test://static-binary", mime_type="image/png")
def static_binary() -> bytes:
    return base64.b64decode(IMAGE.data)


@mcp.resource("test://template/{id}/data", mime_type="application/json")
def template(id: str) -> str:  # noqa: A002 - the suite's name
    return f'{{"id":"{id}","templateTest":true,"data":"Data for ID: {id}"}}'
