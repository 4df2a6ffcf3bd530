"""What tools say, on a terminal and in a pipe."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

SAID = "\x1b]0;owned\x07\x1b[2Jdone\u202e 10 %\r20 %\x9b"
PROGRAM = f"from mcptasks.cli.terminal_text import show; show({SAID!r})"


def test_a_terminal_is_shown_what_it_would_obey() -> None:
    leader, follower = pty.openpty()
    try:
        subprocess.run([sys.executable, "-c", PROGRAM], stdout=follower, check=True)
        printed = os.read(leader, 4096).decode()
    finally:
        os.close(follower)
        os.close(leader)
    assert printed == "^[]0;owned^G^[[2Jdone\\u202e 10 %\r\n20 %\\u009b\r\n"


def test_a_pipe_gets_the_bytes_as_they_are() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, check=True)
    assert done.stdout.decode() == f"{SAID}\n"


def test_half_of_a_surrogate_pair_breaks_no_output() -> None:
    program = "from mcptasks.cli.terminal_text import show; show('half \\ud800')"
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"half \\ud800\n"
