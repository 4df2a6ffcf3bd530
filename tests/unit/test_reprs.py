"""A repr ends up in logs and tracebacks: no secret is in one."""

from __future__ import annotations

import pytest

from mcptasks.cli.server_options import ServerOptions
from mcptasks.client import Client
from mcptasks.client.protocol.streamable_http import RpcResult
from mcptasks.dev.stack import StackConfig
from mcptasks.dev.supervisor import ProcessSpec
from mcptasks.dev.tool_environment import DevEnvironment
from mcptasks.settings import Settings
from mcptasks.stores.result_stores import RedisStore

SECRET = "secret-1"
URL = f"redis://user:{SECRET}@127.0.0.1:1/0"


@pytest.mark.parametrize(
    "holder",
    [
        Client("http://127.0.0.1/mcp", token=SECRET, headers={"X-Key": SECRET}),
        Client(f"http://user:{SECRET}@127.0.0.1/mcp", auth=SECRET),
        ServerOptions("http://127.0.0.1/mcp", SECRET, [f"X-Key: {SECRET}"]),
        RpcResult({}, {"Set-Cookie": SECRET}),
        Settings(redis_url=URL, request_state_keys=SECRET),
        RedisStore.connect(URL, "test"),
        StackConfig("server.py", settings={"MCPTASKS_REDIS_URL": URL}, tool_environment={"KEY": SECRET}),
        DevEnvironment.of({"KEY": SECRET, "MCPTASKS_REDIS_URL": URL}),
        ProcessSpec("server", "mcptasks", (), {"KEY": SECRET}, "http://127.0.0.1"),
    ],
    ids=lambda holder: type(holder).__name__,
)
def test_what_holds_a_secret_does_not_show_it(holder: object) -> None:
    assert SECRET not in repr(holder)
