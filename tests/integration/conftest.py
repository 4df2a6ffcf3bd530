"""What tests of several parts together share."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcptasks.protocol.versions import PROTOCOLS, ProtocolChoice

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Demonstration:
    """A run of the demonstration: what it printed, and what it has left in the directory for temporary files."""

    done: subprocess.CompletedProcess[str]
    left: list[Path]


@pytest.fixture(scope="session")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Demonstration:
    """`make demo`, once for all that look at it."""
    directory = tmp_path_factory.mktemp("demonstration")
    done = subprocess.run(
        ["make", "--silent", "demo"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(directory)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    return Demonstration(done, list(directory.iterdir()))


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> ProtocolChoice:
    """Either protocol version, for a client to be told to speak."""
    choice: ProtocolChoice = request.param
    return choice
