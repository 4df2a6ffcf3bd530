"""Settings come from the environment, with one prefix, and are checked."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mcptasks.settings import Settings, misspelt_settings


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_a_misspelt_setting_is_told_from_other_variables() -> None:
    environ = {
        "MCPTASKS_PORTT": "1",
        "MCPTASKS_ALLOWED_HOST": "x",
        "MCPTASKS_LOGLEVEL": "DEBUG",
        "MCPTASKS_PORT": "1",
        "MCPTASKS_TOKEN": "t",
        "MCPTASKS_TASK_ID": "t",
        "MCPTASKS_MY_OWN_THING": "t",
        "PORTT": "1",
    }
    assert misspelt_settings(environ) == {
        "MCPTASKS_ALLOWED_HOST": "MCPTASKS_ALLOWED_HOSTS",
        "MCPTASKS_LOGLEVEL": "MCPTASKS_LOG_LEVEL",
        "MCPTASKS_PORTT": "MCPTASKS_PORT",
    }


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCPTASKS_ALLOWED_HOSTS", "tasks.example.org, mcp:8000,")
    monkeypatch.setenv("MCPTASKS_RUNNER_COMMAND", "mcptasks run --flag 'two words'")
    settings = Settings()
    assert settings.allowed_hosts == ["tasks.example.org", "mcp:8000"]
    assert settings.runner_command == ["mcptasks", "run", "--flag", "two words"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "70000"),
        ("LOG_FORMAT", "xml"),
        ("PATH", "mcp"),
        ("PATH", "/t/{x}"),
        ("PATH", "/a\n"),
        ("PATH", "/a\x01"),
        ("PATH", "/a?b"),
        ("WORKERS", "0"),
    ],
)
def test_a_wrong_value_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"MCPTASKS_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_a_redis_password_is_not_printed() -> None:
    assert "hunter2" not in repr(Settings(redis_url="redis://:hunter2@redis:6379"))
