"""What tests of several parts together share."""

from __future__ import annotations

import pytest

from mcptasks.protocol.versions import PROTOCOLS, ProtocolChoice


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> ProtocolChoice:
    """Either protocol version, for a client to be told to speak."""
    choice: ProtocolChoice = request.param
    return choice
