"""Server-sent events (WHATWG HTML, section 9.2), as the bodies of Streamable HTTP's answers carry them."""

from __future__ import annotations

from collections.abc import AsyncIterator


async def event_data(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """The data of each event.

    Lines end with CR, LF or both and with nothing else: JSON may hold other characters that Python takes for line ends.
    """
    data: list[str] = []
    async for line in _lines(chunks):
        if not line:
            if data:
                yield "\n".join(data)
            data = []
        elif line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    pending = b""
    async for chunk in chunks:
        pending += chunk
        # A CR at the end may be the first half of a CR LF.
        held = b"\r" if pending.endswith(b"\r") else b""
        complete = pending[: len(pending) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = complete.split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace")
        pending = rest + held
    if pending.endswith(b"\r"):
        yield pending[:-1].decode("utf-8", "replace")
