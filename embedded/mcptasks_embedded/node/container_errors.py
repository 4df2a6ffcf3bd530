"""Why a container could not be started, in the words of a container runtime."""

from __future__ import annotations

import errno
import os

_REASONS = {errno.ENOENT: "no such file or directory", errno.EACCES: "permission denied"}


def start_error_message(program: str, error: OSError) -> str:
    """The message of StartError, as containerd and runc word it."""
    why = _REASONS.get(error.errno or 0, error.strerror or str(error))
    if error.errno == errno.ENOENT:
        why = f"stat {program}: {why}" if os.sep in program else "executable file not found in $PATH"
    return (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
        f'runc create failed: unable to start container process: exec: "{program}": {why}: unknown'
    )
