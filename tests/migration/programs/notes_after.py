"""Notes in a folder, with prompts about them. For FastMCP 2."""

import tempfile
from pathlib import Path

from logging import getLogger as get_logger
from mcp.server.mcpserver import AssistantMessage, Context, Message, UserMessage
from mcptasks import TaskServer

logger = get_logger(__name__)
server = TaskServer(name="notes")
FOLDER = Path(tempfile.gettempdir()) / "notes-of-a-test"


@server.tool()
async def save(title: str, text: str, ctx: Context) -> str:
    """Keep a note."""
    FOLDER.mkdir(exist_ok=True)
    await ctx.log("debug", f"saving {title}")
    await ctx.info(data=f"{len(text)} characters")
    (FOLDER / f"{title}.txt").write_text(text)
    logger.info("saved %s", title)
    return title


@server.tool()
async def titles() -> list[str]:
    """What there is."""
    return sorted(path.stem for path in FOLDER.glob("*.txt"))


@server.prompt()
def summarise(title: str) -> list[Message]:
    """Ask for a summary."""
    return [
        UserMessage(f"Summarise my note {title}."),
        AssistantMessage("With pleasure."),
    ]


if __name__ == "__main__":
    server.run(transport="streamable-http", host="127.0.0.1", port=9000, streamable_http_path="/notes")
