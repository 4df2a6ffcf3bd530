"""What `task=` means, and what it refuses."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mcptasks import TaskConfig, TaskConfigError
from mcptasks.model.task_config import FORBIDDEN, resolve


@pytest.mark.parametrize(
    ("option", "default", "expected"),
    [
        (True, False, TaskConfig()),
        (False, True, FORBIDDEN),
        (None, False, FORBIDDEN),
        (None, True, TaskConfig()),
        (None, None, FORBIDDEN),
        (TaskConfig(mode="required"), False, TaskConfig(mode="required")),
        (None, TaskConfig(retries=2), TaskConfig(retries=2)),
    ],
)
def test_an_option_wins_and_none_inherits(option: Any, default: Any, expected: TaskConfig) -> None:
    assert resolve(option, default) == expected


@pytest.mark.parametrize("option", ["yes", 1, 0, {}])
def test_anything_else_is_refused(option: Any) -> None:
    with pytest.raises(TaskConfigError, match="use True, False or TaskConfig"):
        resolve(option, False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "always"}, "forbidden, optional, required"),
        ({"template": 5}, "use the name of a McpTaskTemplate"),
        ({"retries": -1}, "0 to 100"),
        ({"retries": True}, "0 to 100"),
        ({"max_concurrent": 0}, "1 to 1000000"),
        ({"max_concurrent": True}, "1 to 1000000"),
        ({"max_concurrent": 2.0}, "1 to 1000000"),
        ({"retries": 1.5}, "0 to 100"),
        ({"ttl": -1}, "ttl"),
        ({"ttl": "1h"}, "seconds"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": timedelta(days=400)}, "366 days"),
        ({"poll_interval": 0}, "poll_interval"),
        ({"poll_interval": True}, "poll_interval"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskConfigError, match=message):
        TaskConfig(**arguments)


def test_durations_are_seconds_or_timedeltas() -> None:
    config = TaskConfig(ttl=90, timeout=timedelta(minutes=2, milliseconds=1), poll_interval=0.25)
    assert (config.ttl_ms, config.timeout_seconds, config.poll_interval_ms) == (90_000, 121, 250)
    assert (TaskConfig().ttl_ms, TaskConfig().timeout_seconds, TaskConfig().poll_interval_ms) == (None, None, None)
