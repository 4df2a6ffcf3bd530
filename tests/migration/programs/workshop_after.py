"""Two servers in one program. For FastMCP 3."""

from mcptasks import TaskServer

tools = TaskServer("tools")
main = TaskServer("workshop")


@tools.tool()
def saw(length: int, pieces: int) -> list[float]:
    """Cut something into pieces."""
    return [length / pieces] * pieces


@tools.resource("tools://saw")
def about_saw() -> str:
    """What it is."""
    return "a saw"


@main.tool(name="open")
def is_open(hour: int) -> bool:
    """Whether the workshop is open."""
    return 8 <= hour < 18


main.mount(tools, prefix="bench")

if __name__ == "__main__":
    main.run()
