"""Notes in a folder, with prompts about them. For FastMCP 2."""

import tempfile
from pathlib import Path

import fastmcp
from fastmcp.prompts.prompt import Message
from fastmcp.utilities.logging import get_logger

logger = get_logger(__name__)
server = fastmcp.FastMCP(name="notes")
FOLDER = Path(tempfile.gettempdir()) / "notes-of-a-test"


@server.tool
async def save(title: str, text: str, ctx: fastmcp.Context) -> str:
    """Keep a note."""
    FOLDER.mkdir(exist_ok=True)
    await ctx.log(f"saving {title}", level="debug")
    await ctx.info(message=f"{len(text)} characters")
    (FOLDER / f"{title}.txt").write_text(text)
    logger.info("saved %s", title)
    return title


@server.tool()
async def titles() -> list[str]:
    """What there is."""
    return sorted(path.stem for path in FOLDER.glob("*.txt"))


@server.prompt
def summarise(title: str) -> list[Message]:
    """Ask for a summary."""
    return [
        Message(f"Summarise my note {title}.", role="user"),
        Message("With pleasure.", role="assistant"),
    ]


if __name__ == "__main__":
    server.run(transport="http", host="127.0.0.1", port=9000, path="/notes", show_banner=False)
