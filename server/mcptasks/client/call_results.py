"""What calls return: thin views of the JSON that the server sent."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any

from mcptasks.client.client_errors import ClientError
from mcptasks.model.base import JsonObject
from mcptasks.protocol.versions import RESULT_PIECE_META

WRAPPED = "result"
"""Key under which servers put structured output that is not an object by itself."""

_NO_PIECE = "the server has answered with something else than a piece of a task's result"

_SHA256 = re.compile(r"[0-9a-f]{64}")


class ToolError(ClientError):
    """A tool reported an error and the caller had asked for an exception. `result` is what it returned."""

    def __init__(self, result: ToolResult) -> None:
        super().__init__(result.text or "the tool gave no reason")
        self.result = result


@dataclass(frozen=True)
class ToolResult:
    """What a tool returned. `raw` is the result exactly as the server sent it."""

    raw: JsonObject

    @property
    def content(self) -> list[JsonObject]:
        """The content blocks."""
        return list(self.raw.get("content") or ())

    @property
    def structured_content(self) -> Any:
        """The structured output; None where the tool has none."""
        return self.raw.get("structuredContent")

    @property
    def data(self) -> Any:
        """The structured output as the tool returned it: a value that is not an object comes as `{"result": value}`."""
        structured = self.structured_content
        if isinstance(structured, dict) and structured.keys() == {WRAPPED}:
            return structured[WRAPPED]
        return structured

    @property
    def is_error(self) -> bool:
        """Whether the tool itself reported an error."""
        return bool(self.raw.get("isError"))

    @property
    def text(self) -> str:
        """All text blocks, a line break between them."""
        return "\n".join(block.get("text", "") for block in self.content if block.get("type") == "text")

    def or_raise(self) -> ToolResult:
        """This result. Raises ToolError where it is an error."""
        if self.is_error:
            raise ToolError(self)
        return self


@dataclass(frozen=True)
class PromptResult:
    """The messages of a prompt. `raw` is the result exactly as the server sent it."""

    raw: JsonObject

    @property
    def description(self) -> str | None:
        return self.raw.get("description")

    @property
    def messages(self) -> list[JsonObject]:
        """The messages: `role` and `content`, as MCP has them."""
        return list(self.raw.get("messages") or ())

    @property
    def text(self) -> str:
        """The text of all messages, a line break between them."""
        contents = [message.get("content") or {} for message in self.messages]
        return "\n".join(content.get("text", "") for content in contents if content.get("type") == "text")


@dataclass(frozen=True)
class ResourceResult:
    """The contents of a resource. `raw` is the result exactly as the server sent it."""

    raw: JsonObject

    @property
    def contents(self) -> list[JsonObject]:
        """The contents: `uri`, `mimeType`, and `text` or `blob` (Base64), as MCP has them."""
        return list(self.raw.get("contents") or ())

    @property
    def text(self) -> str:
        """All text contents, a line break between them."""
        return "\n".join(item["text"] for item in self.contents if "text" in item)

    @property
    def data(self) -> bytes:
        """The bytes of all contents: text in UTF-8, binary contents decoded."""
        return b"".join(_bytes_of(item) for item in self.contents)


@dataclass(frozen=True)
class ResultPiece:
    """A piece of a task's stored result, which is JSON text.

    Args:
        text: its characters, none of which is cut.
        offset: where it begins, in bytes of UTF-8.
        size: bytes of the whole result.
        sha256: of the whole result, in hexadecimal digits.
        next_offset: where the next piece begins; None for the last one.
    """

    text: str
    offset: int
    size: int
    sha256: str
    next_offset: int | None = None

    @classmethod
    def parse(cls, raw: JsonObject) -> ResultPiece:
        """The piece in the answer to `resources/read`. Raises ClientError where it is none."""
        try:
            (content,) = raw["contents"]
            meta = content["_meta"][RESULT_PIECE_META]
            piece = cls(content["text"], meta["offset"], meta["size"], meta["sha256"], meta.get("nextOffset"))
            is_one = piece._has_types() and piece._is_within_result()
        except (KeyError, TypeError, ValueError) as error:
            raise ClientError(_NO_PIECE) from error
        if not is_one:
            raise ClientError(_NO_PIECE)
        return piece

    def of_result(self, first: ResultPiece | None) -> ResultPiece:
        """This piece. Raises ClientError where the first one, if any, is of another result."""
        if first is not None and (first.sha256, first.size) != (self.sha256, self.size):
            raise ClientError("the task has another result by now: fetch it again from the beginning")
        return self

    def _has_types(self) -> bool:
        numbers = (self.offset, self.size) if self.next_offset is None else (self.offset, self.size, self.next_offset)
        are_numbers = all(isinstance(number, int) and not isinstance(number, bool) for number in numbers)
        return are_numbers and isinstance(self.text, str) and _SHA256.fullmatch(self.sha256) is not None

    def _is_within_result(self) -> bool:
        """Whether it is some of the result, and the next one begins behind it."""
        end = self.offset + len(self.text.encode())
        following = None if end == self.size else end
        return 0 <= self.offset < end <= self.size and self.next_offset == following


def _bytes_of(item: JsonObject) -> bytes:
    return item["text"].encode() if "text" in item else base64.b64decode(item.get("blob", ""))
