"""The stack: components come, go, fail and leave nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx2
import psutil
import pytest

from mcptasks.dev.stack import LocalStack, StackConfig, StackError
from mcptasks.dev.supervisor import ProcessError
from tests.integration.cli.background import gone
from tests.integration.cli.conftest import TOOLS
from tests.support.command_line import Cli
from tests.support.polling import eventually

pytestmark = pytest.mark.long


def test_components_can_be_killed_started_and_restarted(stack: LocalStack) -> None:
    first = stack.pid("server")
    stack.kill("server")
    assert not psutil.pid_exists(first)
    with pytest.raises(ProcessError, match="server is not running"):
        stack.pid("server")
    stack.start("server")
    second = stack.pid("server")
    stack.start("server")
    assert stack.pid("server") == second
    stack.restart("server")
    assert stack.pid("server") != second
    assert httpx2.get(stack.endpoint.replace("/mcp", "/healthz")).status_code == 200


def test_an_operator_that_ends_on_its_own_is_started_again(stack: LocalStack) -> None:
    first = stack.pid("operator")
    os.kill(first, signal.SIGKILL)
    eventually("another operator runs", lambda: running_pid(stack, "operator") not in (None, first))
    stack.supervisor.wait_ready("operator")


def running_pid(stack: LocalStack, name: str) -> int | None:
    try:
        return stack.pid(name)
    except ProcessError:
        return None


def test_several_servers_and_operators_share_one_cluster(cli: Cli) -> None:
    with LocalStack(StackConfig(str(TOOLS), servers=2, operators=2)) as pair:
        assert pair.names == ["operator", "operator-2", "server", "server-2"]
        assert pair.endpoint_of("server") != pair.endpoint_of("server-2")
        assert len({pair.pid(name) for name in pair.names}) == 4
        pair.kill("server-2")
        done = cli("call", pair.endpoint, "add", "--arg", "a=1")
        assert done.stdout == "2\n", done.stderr
        pair.start("server-2")
        assert cli("call", pair.endpoint_of("server-2"), "add", "--arg", "a=2").stdout == "3\n"


def test_closing_leaves_no_process_and_no_file() -> None:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with LocalStack(StackConfig(str(TOOLS))) as stack:
        directory = stack.directory
        assert stack.kubeconfig.is_file()
    assert not directory.exists()
    assert {process.pid for process in psutil.Process().children(recursive=True)} == before


def test_nothing_survives_a_kill_of_the_process_that_has_the_stack() -> None:
    program = (
        "import sys, time\n"
        "from mcptasks.dev.stack import LocalStack, StackConfig\n"
        f"with LocalStack(StackConfig({str(TOOLS)!r})) as stack:\n"
        "    print(stack.directory, flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        directory = Path(holder.stdout.readline().strip())
        children = psutil.Process(holder.pid).children(recursive=True)
        assert {"operator", "serve"} <= {word for child in children for word in child.cmdline()}
        os.kill(holder.pid, signal.SIGKILL)
    assert gone(children)
    eventually("the files are gone", lambda: not directory.exists())


def test_a_component_that_ends_at_its_start_tells_code_and_last_words(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("x = 1\n")
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    stack = LocalStack(StackConfig(str(tmp_path / "empty.py")))
    with pytest.raises(ProcessError, match="has no TaskServer") as caught:
        stack.open()
    assert caught.value.exit_code == 2
    assert "server ended with exit code 2; its last log lines:" in str(caught.value)
    assert {process.pid for process in psutil.Process().children(recursive=True)} == before


def test_a_port_that_is_taken_is_refused_before_anything_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StackError, match=f"port {port} on 127.0.0.1 is in use; choose another one with --port"):
            LocalStack(StackConfig(str(TOOLS), port=port)).open()


LONGEST_SOCKET = 107
SOCKET_OF_MULTIPROCESSING = "/pymp-abcdefgh/listener-abcdefgh"


@pytest.mark.parametrize("warm", [True, False], ids=["worker", "Pod of its own"])
def test_a_task_has_room_for_the_paths_of_sockets_in_its_temporary_folder(cli: Cli, warm: bool) -> None:
    with LocalStack(StackConfig(str(TOOLS), warm=warm)) as stack:
        done = cli("call", stack.endpoint, "temporary_folder")
    assert done.returncode == 0, done.stderr
    usual = done.stdout.strip().replace(tempfile.gettempdir(), "/tmp")
    assert len(usual + SOCKET_OF_MULTIPROCESSING) <= LONGEST_SOCKET
