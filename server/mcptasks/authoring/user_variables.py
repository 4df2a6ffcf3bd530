"""What libraries expect of the user that a process runs as: a name, and a place for their caches.

The user id of a Pod often has no entry in the image's /etc/passwd (65532 in an image of yours, or the ids that
OpenShift chooses). HOME is then `/`, which is read-only, and `getpass.getuser()` raises an error; matplotlib, torch,
numba and Hugging Face's libraries fail at import or at their first download.
"""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Callable, Mapping, MutableMapping
from enum import Enum
from pathlib import Path

USER_NAME = "mcptasks"
"""Name of a user that has none."""


class Home(Enum):
    """What a home directory can be used for."""

    WRITABLE = "writable"
    READ_ONLY = "read-only"
    """An image's own one whose root is read-only: what is in it still counts."""
    READ_ONLY_WITH_CACHE = "read-only, with a cache"
    """Caches that were put into the image count too."""
    OF_NO_USE = "of no use"


def complete_user_variables(environ: MutableMapping[str, str]) -> None:
    """Set what is missing of USER, LOGNAME, HOME and XDG_CACHE_HOME for this process. What is usable stays."""
    home = Path(environ.get("HOME") or os.path.expanduser("~"))
    environ.update(missing_user_variables(environ, _entry_name(), home_state(home), _new_directory))


def missing_user_variables(
    given: Mapping[str, str], entry_name: str | None, home: Home, new_directory: Callable[[], Path | None]
) -> dict[str, str]:
    """What has to be added to the variables of a process.

    Args:
        given: the variables that the process has.
        entry_name: name of the process's user in /etc/passwd, if it has an entry there.
        home: what the home directory can be used for.
        new_directory: makes a directory that can be written to; None if there is no place for one.
    """
    name = given.get("USER") or given.get("LOGNAME") or entry_name or USER_NAME
    added = {variable: name for variable in ("USER", "LOGNAME") if not given.get(variable)}
    if home is Home.OF_NO_USE and (made := new_directory()):
        added["HOME"] = str(made)
    if home is Home.READ_ONLY and not given.get("XDG_CACHE_HOME") and (made := new_directory()):
        added["XDG_CACHE_HOME"] = str(made)
    return added


def home_state(home: Path) -> Home:
    """What the directory, which need not be there, can be used for."""
    if not home.is_dir() or not os.access(home, os.R_OK | os.X_OK):
        return Home.OF_NO_USE
    if os.access(home, os.W_OK):
        return Home.WRITABLE
    if home == Path("/"):
        return Home.OF_NO_USE
    return Home.READ_ONLY_WITH_CACHE if (home / ".cache").exists() else Home.READ_ONLY


def _entry_name() -> str | None:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return None


def _new_directory() -> Path | None:
    """A directory of its own: on a machine that others use too, nobody else may have put anything there."""
    try:
        return Path(tempfile.mkdtemp(prefix="mcptasks-home-"))
    except OSError:
        return None
