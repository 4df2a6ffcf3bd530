"""The process of `fork_server.ForkServer`: imports, then forks a process for each request until its peer has gone."""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import sys
import traceback
import types
from typing import Any, NoReturn

REQUEST_BYTES = 1024 * 1024
"""The longest request: a program with its environment."""


def serve(connection: socket.socket) -> None:
    """Fork for each request, and tell each exit code."""
    woken, waking = socket.socketpair()
    woken.setblocking(False)
    waking.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waking.fileno())
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is woken:
                    woken.recv(4096)
                    _tell_exit_codes(connection)
                elif not _fork(connection):
                    return


def _tell_exit_codes(connection: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        connection.send(json.dumps({"pid": pid, "code": os.waitstatus_to_exitcode(status)}).encode())


def _fork(connection: socket.socket) -> bool:
    data, descriptors, _, _ = socket.recv_fds(connection, REQUEST_BYTES, 2)
    if not data:
        return False
    pid = os.fork()
    if pid == 0:
        _run(json.loads(data), *descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    connection.send(json.dumps({"started": pid}).encode())
    return True


def _run(request: dict[str, Any], out: int, err: int) -> NoReturn:
    """Become what the request asks for, as a fresh interpreter would be."""
    code = 1
    try:
        _separate(out, err)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.modules["__main__"] = module = types.ModuleType("__main__")
        sys.argv = ["-c"]
        exec(request["program"], vars(module))
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:  # noqa: BLE001 (told as the interpreter tells it)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _separate(out: int, err: int) -> None:
    """A session of its own, and nothing that belongs to the server."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.closerange(3, 1024)


if __name__ == "__main__":
    exec(sys.argv[2], {})
    # What is imported stays: no copy has to look for garbage in it, and to copy the pages for that.
    gc.collect()
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])))
