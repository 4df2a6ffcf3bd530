"""The error of a server that shuts down, as the server sends it and the client takes it."""

from __future__ import annotations

from mcp.shared.exceptions import MCPError

from mcptasks.client.protocol.json_rpc import error_of
from mcptasks.client.protocol.retry import was_not_started
from mcptasks.protocol.mcp_errors import as_mcp_error
from mcptasks.tasks.service_errors import DrainingError, UnavailableServiceError


def as_the_client_has_it(error: Exception) -> bool:
    """Whether the client repeats a call after this failure of the server."""
    sent = as_mcp_error(error)
    assert isinstance(sent, MCPError)
    return was_not_started(error_of(sent.error.model_dump(by_alias=True, mode="json")))


def test_a_draining_server_lets_its_callers_repeat_the_call() -> None:
    assert as_the_client_has_it(DrainingError())


def test_a_server_that_may_have_begun_does_not() -> None:
    assert not as_the_client_has_it(UnavailableServiceError("The task could not be stored"))
