"""How many threads the libraries for linear algebra use: one while a process is to be forked, the user's number after.

Importing numpy starts the threads of OpenBLAS, unless these variables say that there is to be one only. The libraries
read them once, when they are loaded; OpenBLAS takes another number at run time, and starts its threads then.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mcptasks.worker.fork_safety import mapped_files

VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)

_SETTERS = (
    "openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "scipy_openblas_set_num_threads64_",
)


@dataclass(frozen=True)
class BlasThreads:
    """The variables as the Pod has them; None for one that it has not."""

    given: dict[str, str | None]

    @classmethod
    def restrained(cls, environ: MutableMapping[str, str]) -> BlasThreads:
        """Have libraries that are loaded from now on use one thread."""
        given = {name: environ.get(name) for name in VARIABLES}
        environ.update(dict.fromkeys(VARIABLES, "1"))
        return cls(given)

    def restore(self, environ: MutableMapping[str, str]) -> None:
        """Give the variables back, for what reads them from now on."""
        for name, value in self.given.items():
            if value is None:
                environ.pop(name, None)
            else:
                environ[name] = value

    @property
    def wanted(self) -> int:
        """How many threads OpenBLAS would have made: what the variables say, or one for each core."""
        for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
            value = self.given[name] or ""
            if value.isascii() and value.isdigit() and int(value) > 0:
                return int(value)
        return len(os.sched_getaffinity(0))


def openblas_setters() -> list[Callable[[int], Any]]:
    """The functions that set the number of threads in the OpenBLAS libraries that this process has loaded."""
    found: list[Callable[[int], Any]] = []
    with suppress(OSError):
        for file in sorted(file for file in mapped_files() if "openblas" in os.path.basename(file)):
            with suppress(OSError):
                library = ctypes.CDLL(file)
                found.extend(getattr(library, name) for name in _SETTERS if hasattr(library, name))
    return found
