"""The client's exceptions; import them from `mcptasks.client`.

ClientError                      a call could not be made, or its answer could not be understood
├── ConnectionFailedError        no connection, or it broke before the answer was there
│   └── NotSentError             there was no connection at all (internal; callers catch its parent)
├── HttpRefusedError             an HTTP error instead of a JSON-RPC message
├── McpError                     a JSON-RPC error
│   └── AnswerRefusedError       the server does not take an answer to a task's question, which stays
├── TaskCancelledError           the task was cancelled, so there is no result
├── InputRequiredError           the call waits for an answer that nobody can give
└── ToolError                    a tool's own error, raised on demand (defined in `call_results`, beside ToolResult)
"""

from __future__ import annotations

from typing import Any

from mcptasks.client.elicitation import RequestedInput


class ClientError(Exception):
    """A call could not be made, or its answer could not be understood. The message says why."""


class ConnectionFailedError(ClientError):
    """The server cannot be reached, or the connection broke before the answer was there. A later try may succeed.

    `may_have_arrived` says whether the server may have seen the request: then it may have begun the call. `task_id` is
    that of the task which the call is already, and which `Client.resume` goes on with.
    """

    may_have_arrived = True

    def __init__(self, message: str, task_id: str | None = None) -> None:
        super().__init__(message)
        self.task_id = task_id


class NotSentError(ConnectionFailedError):
    """There was no connection at all: the server has seen nothing of the request, so repeating it is safe."""

    may_have_arrived = False


class HttpRefusedError(ClientError):
    """The server answered with an HTTP error and no JSON-RPC message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class McpError(ClientError):
    """The server answered with a JSON-RPC error."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


class AnswerRefusedError(McpError):
    """The server takes no such answer to what a task asks. The question stays: whoever waits again is asked again."""


class TaskCancelledError(ClientError):
    """The task was cancelled: there is no result."""


class InputRequiredError(ClientError):
    """The call waits for an answer, and this client has nobody to ask."""

    def __init__(self, what: str, requests: tuple[RequestedInput, ...]) -> None:
        asked = "; ".join(str(request.params.get("message") or request.method) for request in requests)
        super().__init__(f"{what} waits for input{f': {asked}' if asked else ''}; give the client `on_elicitation`")
        self.requests = requests
