"""The examples in one server, so that one stack is enough for their tests."""

import sys
from pathlib import Path

from mcptasks import TaskConfig, TaskServer

# A task's process knows this file alone.
sys.path.insert(0, str(Path(__file__).parents[3]))

from examples.plot import lissajous
from examples.prime_gaps import largest_gap

mcp = TaskServer("examples")
mcp.tool(task=TaskConfig(poll_interval=0.5))(largest_gap)
mcp.tool(task=True)(lissajous)
