"""The end of an attempt's output as a task's status keeps it: pure.

It is kept there, and not only in the store of results, because those who read logs have rights on the cluster and none
on Redis. The status is read and written as a whole by everybody, and etcd holds it: 64 KiB of text in each of thousands
of tasks would be too much. Output compresses to a fifth or a tenth, so that the usual log is kept whole within the
bound.
"""

from __future__ import annotations

import base64
import gzip
import zlib

from mcptasks.model.base import JsonObject
from mcptasks.model.task import LogRecord

MAX_PLAIN_BYTES = 2 * 1024
"""Up to this size the text is kept as it is, for `kubectl get -o yaml`."""

MAX_PACKED_BYTES = 16 * 1024
"""Base64 characters of a compressed text. The beginning of what does not fit is left out."""

MAX_TAIL_BYTES = 64 * 1024

GZIP = 16 + zlib.MAX_WBITS
"""What zlib calls the format."""


def log_record(text: str | None, attempt: int) -> LogRecord | None:
    """What is kept of the end of an attempt's output; None where it has printed nothing."""
    data = (text or "").encode("utf-8", "replace")
    if not data.strip():
        return None
    kept = data[-MAX_TAIL_BYTES:]
    if len(kept) <= MAX_PLAIN_BYTES:
        return LogRecord(text=_text(kept), attempt=attempt, cut=len(kept) < len(data) or None)
    packed = _packed(kept)
    while len(packed) > MAX_PACKED_BYTES:
        kept = kept[len(kept) // 4 :]
        packed = _packed(kept)
    return LogRecord(gzip=packed, attempt=attempt, cut=len(kept) < len(data) or None)


def log_field(log: LogRecord) -> JsonObject:
    """The field of a status patch (JSON merge patch) with this log in the place of the one that the task may have."""
    unset = dict.fromkeys(field.alias or name for name, field in LogRecord.model_fields.items())
    return {"log": unset | log.dump()}


def log_text(record: LogRecord) -> str:
    """The recorded text. Raises ValueError where it is not what `log_record` makes."""
    if record.gzip is None:
        return record.text or ""
    unpacking = zlib.decompressobj(wbits=GZIP)
    try:
        data = unpacking.decompress(base64.b64decode(record.gzip, validate=True), MAX_TAIL_BYTES + 1)
    except zlib.error as error:
        raise ValueError(f"the recorded log cannot be unpacked: {error}") from error
    if not unpacking.eof:
        raise ValueError(f"the recorded log is no whole text of at most {MAX_TAIL_BYTES} bytes")
    return data.decode("utf-8", "replace")


def _packed(data: bytes) -> str:
    return base64.b64encode(gzip.compress(_text(data).encode(), mtime=0)).decode()


def _text(data: bytes) -> str:
    """The text, without the rest of a character that was cut."""
    return data.decode("utf-8", "ignore")
