"""What an API object is: a JSON object as Python has it."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
