"""Settings from environment and options, and how wrong ones are explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcptasks.cli.command_errors import CliError
from mcptasks.cli.command_settings import load_settings
from mcptasks.model.exit_codes import ExitCode


def test_options_go_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCPTASKS_PORT", "9000")
    monkeypatch.setenv("MCPTASKS_NAMESPACE", "tools")
    settings = load_settings(port=9001, namespace=None, kubeconfig=Path("k"))
    assert (settings.port, settings.namespace, settings.kubeconfig) == (9001, "tools", Path("k"))


@pytest.mark.parametrize(
    ("variable", "value"), [("PORT", "many"), ("PORT", "70000"), ("LOG_FORMAT", "xml"), ("PATH", "mcp")]
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(f"MCPTASKS_{variable}", value)
    with pytest.raises(CliError) as caught:
        load_settings()
    assert f"MCPTASKS_{variable}={value}: " in str(caught.value)
    assert "see `mcptasks settings`" in str(caught.value)
    assert caught.value.exit_code is ExitCode.USAGE


def test_a_wrong_option_is_named_as_the_option() -> None:
    with pytest.raises(CliError, match="--gateway-port=-1: "):
        load_settings(gateway_port=-1)


def test_all_faults_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCPTASKS_PORT", "x")
    monkeypatch.setenv("MCPTASKS_WORKERS", "0")
    with pytest.raises(CliError) as caught:
        load_settings()
    assert len(str(caught.value).splitlines()) == 2
