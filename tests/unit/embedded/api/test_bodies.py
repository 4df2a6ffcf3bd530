"""Options that requests carry."""

from __future__ import annotations

import pytest

from mcptasks_embedded.api import bodies
from mcptasks_embedded.values.errors import ApiError


def test_bad_log_options() -> None:
    with pytest.raises(ApiError):
        bodies.log_options({"sinceTime": "yesterday"})
