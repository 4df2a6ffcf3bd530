"""Why a runner's call is refused."""

from __future__ import annotations

from mcptasks.gateway.contract import Refusal, RefusalCode

STATUS_OF = {
    RefusalCode.UNAUTHENTICATED: 401,
    RefusalCode.NOT_A_TASK_POD: 403,
    RefusalCode.SUPERSEDED: 409,
    RefusalCode.TASK_ENDED: 410,
    RefusalCode.TASK_GONE: 410,
    RefusalCode.INVALID: 422,
    RefusalCode.UNAVAILABLE: 503,
}


class RefusedError(Exception):
    """The call is refused with an HTTP status and a `Refusal`."""

    def __init__(self, code: RefusalCode, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = STATUS_OF[code] if status is None else status
        self.refusal = Refusal(code=code, message=message)

    @property
    def code(self) -> RefusalCode:
        return self.refusal.code


def unavailable(message: str) -> RefusedError:
    """Nothing is wrong with the call; it is worth trying again."""
    return RefusedError(RefusalCode.UNAVAILABLE, message)


def too_often(message: str) -> RefusedError:
    """Nothing is wrong with the call but its time: runners try again."""
    return RefusedError(RefusalCode.UNAVAILABLE, message, status=429)
