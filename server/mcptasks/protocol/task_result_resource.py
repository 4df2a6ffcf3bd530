"""The result of a task as a resource that is read in pieces, so that nobody has to take a large one in one answer.

The text of all pieces is the result as it is stored: compact JSON, of which the answers of all protocol versions are
made. Offsets count its bytes in UTF-8.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.shared.uri_template import UriTemplate
from mcp_types import ResourceTemplate

from mcptasks.model.task import ResultRecord
from mcptasks.protocol.mcp_errors import as_mcp_error
from mcptasks.protocol.raw_answers import PIECE, CallAnswer, answer_of
from mcptasks.protocol.requests import Context, principal_of_caller
from mcptasks.protocol.task_json import SMALL_RESULT_BYTES, answer_portion, piece_meta
from mcptasks.protocol.versions import RESULT_MIME_TYPE, RESULT_PIECE_META
from mcptasks.stores.text_pieces import ByteRange, TextPiece
from mcptasks.tasks.result_pieces import PieceRequest

if TYPE_CHECKING:
    from mcptasks.tasks.service import TaskService

TASK_RESULT_URI = "task://{task_id}/result{?offset,length}"

LISTED = ResourceTemplate(
    uri_template=TASK_RESULT_URI,
    name="task_result",
    title="A task's result, in pieces",
    description=(
        "The result of a task that has ended, as JSON text: `length` bytes of it from `offset` on. "
        f"`_meta` says by `{RESULT_PIECE_META}` how large all of it is, and where the next piece begins."
    ),
    mime_type=RESULT_MIME_TYPE,
)
"""What the list of templates says of it."""

_TEMPLATE = UriTemplate.parse(TASK_RESULT_URI)


class TaskResultResource:
    """Reads the results of a service's tasks; without one there are none."""

    def __init__(self) -> None:
        self.service: TaskService | None = None

    @property
    def offered(self) -> bool:
        """Whether results can be read in pieces."""
        return self.service is not None and self.service.settings.max_result_piece_bytes > 0

    async def read(self, uri: str, ctx: Context) -> ReadResourceContents | None:
        """The piece that the URI names; None where it is not such a URI. Raises MCPError."""
        found = _TEMPLATE.match(uri) if self.offered else None
        if found is None or self.service is None:
            return None
        values = {name: str(value) for name, value in found.items()}
        try:
            asked = PieceRequest.parse(values.get("offset"), values.get("length"))
            return await _piece(self.service, values["task_id"], asked, answer_of(ctx))
        except Exception as error:
            raise as_mcp_error(error) from error


async def _piece(
    service: TaskService, task_id: str, asked: PieceRequest, answer: CallAnswer | None
) -> ReadResourceContents:
    ended = await service.ended_result(task_id, principal_of_caller())
    record = ended.record
    span = asked.within(record.size_bytes, service.settings.max_result_piece_bytes)
    taken = held_bytes(record, span)
    if answer is None or taken <= SMALL_RESULT_BYTES:
        piece = await service.result_piece(ended, span)
        return _contents(record, span.offset, piece, piece.text)
    portion = await answer_portion(service, taken, answer)
    try:
        piece = await service.result_piece(ended, span)
        string = await asyncio.to_thread(json_string, piece.text)
        return _contents(record, span.offset, piece, portion.hold(string, 0))
    except BaseException:
        portion.give_up()
        raise


def held_bytes(record: ResultRecord, span: ByteRange) -> int:
    """What is held of a result while a piece is sent: its text, and that as JSON, where a quote takes twice as much.

    Without a Redis, the whole of it is read from the API server.
    """
    return 2 * span.length + (0 if record.ref is not None else record.size_bytes)


def json_string(text: str) -> str:
    """The text as JSON. It is made in parts, so that other threads go on in between."""
    parts = (json.dumps(text[at : at + PIECE], ensure_ascii=False) for at in range(0, len(text), PIECE))
    return f'"{"".join(part[1:-1] for part in parts)}"'


def _contents(record: ResultRecord, offset: int, piece: TextPiece, shown: str) -> ReadResourceContents:
    """The piece, with what stands for its text."""
    meta = piece_meta(record, offset, piece.size_bytes)
    return ReadResourceContents(shown, RESULT_MIME_TYPE, {RESULT_PIECE_META: meta})
