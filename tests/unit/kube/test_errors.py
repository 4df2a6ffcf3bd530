"""Which error an answer of the API server is."""

from __future__ import annotations

import pytest

from mcptasks.kube.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    KubeError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
    from_status,
)


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (401, "Unauthorized", UnauthorizedError),
        (403, "Forbidden", ForbiddenError),
        (404, "NotFound", NotFoundError),
        (409, "Conflict", ConflictError),
        (409, "AlreadyExists", AlreadyExistsError),
        (410, "Expired", GoneError),
        (422, "Invalid", InvalidError),
        (429, "TooManyRequests", UnavailableError),
        (503, "", UnavailableError),
        (400, "BadRequest", KubeError),
    ],
)
def test_the_status_decides(status: int, reason: str, kind: type[KubeError]) -> None:
    error = from_status(status, {"reason": reason, "message": "why", "details": {"name": "a"}})
    assert type(error) is kind
    assert (error.status, error.reason, str(error), error.details) == (status, reason, "why", {"name": "a"})


def test_an_answer_that_says_nothing_has_a_message_all_the_same() -> None:
    assert str(from_status(500, {})) == "the API server answered HTTP 500"
