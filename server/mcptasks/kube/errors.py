"""How a call to the Kubernetes API can fail."""

from __future__ import annotations

from mcptasks.model.base import JsonObject


class KubeError(Exception):
    """The API server refused a request, or could not be asked.

    `status` is the HTTP status (0 where there was no answer), `reason` the `Status` object's reason.
    """

    def __init__(self, status: int, reason: str, message: str, details: JsonObject | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details or {}


class NotFoundError(KubeError):
    """There is no such object, or no such kind."""


class ConflictError(KubeError):
    """Somebody else wrote the object first, or a precondition did not hold."""


class AlreadyExistsError(KubeError):
    """An object of this name is there already."""


class InvalidError(KubeError):
    """The object breaks the schema or a validation rule."""


class ForbiddenError(KubeError):
    """RBAC, a quota or an admission policy refused the request."""


class UnauthorizedError(KubeError):
    """The credentials are not accepted."""


class GoneError(KubeError):
    """The resource version is too old to watch from."""


class UnavailableError(KubeError):
    """The API server cannot be reached, or asks to be left alone for a while. The call can be repeated."""


_BY_STATUS: dict[int, type[KubeError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    422: InvalidError,
    429: UnavailableError,
}


def from_status(status: int, body: JsonObject) -> KubeError:
    """The error for an HTTP status and the `Status` object that came with it."""
    reason = str(body.get("reason") or "")
    message = str(body.get("message") or f"the API server answered HTTP {status}")
    if reason == "AlreadyExists":
        return AlreadyExistsError(status, reason, message, body.get("details"))
    kind = _BY_STATUS.get(status, UnavailableError if status >= 500 else KubeError)
    return kind(status, reason, message, body.get("details"))


class KubeConfigError(Exception):
    """No usable cluster configuration: the message says what was looked for and what to do."""
