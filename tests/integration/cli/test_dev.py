"""`mcptasks dev`: restart on change, tasks that go on, errors, an end without traces."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.integration.cli.background import Background, gone, running
from tests.support.command_line import Cli
from tests.support.kubectl import Kubectl
from tests.support.polling import eventually

SERVER = """
import time
from pathlib import Path

from mcptasks import TaskConfig, TaskServer

mcp = TaskServer("mine")


@mcp.tool(task=TaskConfig(poll_interval=0.1))
def version(until: str = "") -> str:
    print("hello from version", flush=True)
    while until and not Path(until).exists():
        time.sleep(0.05)
    return "one"
"""


@pytest.fixture
def server(tmp_path: Path) -> Path:
    path = tmp_path / "server.py"
    path.write_text(SERVER)
    return path


@pytest.fixture
def end(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that a running `version` waits for; not where changes are watched."""
    return tmp_path_factory.mktemp("end") / "now"


def started(dev: Background) -> tuple[str, Path]:
    """Endpoint and kubeconfig, once it watches for changes."""
    endpoint = dev.line(r"^endpoint: (http://127\.0\.0\.1:\d+/mcp)$")[1]
    kubeconfig = dev.line(r"^kubeconfig: (/\S+)$")[1]
    dev.line("watching .* for changes")
    return endpoint, Path(kubeconfig)


WATCHED = (
    SERVER.replace('"one"', '"version 1"')
    + """

@mcp.tool(task=TaskConfig(poll_interval=0.1))
def boom(n: int = 0) -> float:
    return 1 // n


@mcp.tool(task=False)
def die() -> str:
    import os
    os._exit(9)


@mcp.tool(task=TaskConfig(template="Not_A_Name"))
def odd() -> str:
    return ""
"""
)


@dataclass
class Watched:
    """A `dev` that several tests share. Of the code that it serves, `version` returns which one it is."""

    dev: Background
    file: Path
    endpoint: str
    kubeconfig: Path
    code: str = WATCHED
    number: int = 1

    @property
    def version(self) -> str:
        return f"version {self.number}"

    def change(self, code: str | None = None) -> str:
        """Have another version served, of other code where some is given; gives the version."""
        before, self.number = self.version, self.number + 1
        self.code = (code or self.code).replace(before, self.version)
        self.file.write_text(self.code)
        self.dev.line("^server.py changed: restarting the server$")
        return self.version

    def changed(self) -> str:
        """The same, once it is served."""
        version = self.change()
        self.dev.line("^the server is ready$")
        return version


@pytest.fixture(scope="module")
def shared_dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    file = tmp_path_factory.mktemp("watched") / "server.py"
    file.write_text(WATCHED)
    with running("dev", str(file), "--port", "0") as dev:
        yield Watched(dev, file, *started(dev))


@pytest.fixture
def watched(shared_dev: Watched) -> Watched:
    """The shared `dev`, with a file that can be loaded."""
    if shared_dev.file.read_text() != shared_dev.code:
        shared_dev.changed()
    return shared_dev


def test_the_server_restarts_on_a_change_and_running_tasks_go_on(watched: Watched, cli: Cli, end: Path) -> None:
    dev, before = watched.dev, watched.version
    with running("call", watched.endpoint, "version", "--arg", f"until={end}") as call:
        task = call.line(r"runs as task (\S+)")[1]
        dev.line(rf"^\[{task}\] hello from version$")
        after = watched.changed()
        status = Kubectl(watched.kubeconfig, "default").get("mcptask", task)["status"]
        assert status["phase"] == "working", "the restart must come while the task runs"
        assert cli("call", watched.endpoint, "version").stdout == f"{after}\n"
        end.touch()
        assert call.end() == 0
        assert call.lines[-1] == before
    dev.line(rf"^\[{task}\] is completed \(Completed\)")


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_and_leaves_nothing(server: Path, number: signal.Signals, end: Path) -> None:
    with running("dev", str(server), "--port", "0") as dev:
        endpoint, kubeconfig = started(dev)
        with running("call", endpoint, "version", "--arg", f"until={end}") as call:
            dev.line("hello from version")
            processes = dev.descendants()
            assert len(processes) >= 4, "operator, server, watchdog and the task"
            dev.send(number)
            assert dev.end() == 0
            call.send(signal.SIGKILL)
    assert gone(processes)
    assert not kubeconfig.parent.exists()


@pytest.mark.long
def test_a_signal_while_it_starts_ends_it_at_once(tmp_path: Path, end: Path) -> None:
    server = tmp_path / "server.py"
    server.write_text(f"import time\nfrom pathlib import Path\nPath({str(end)!r}).touch()\ntime.sleep(50)\n")
    with running("dev", str(server), "--port", "0") as dev:
        eventually("the server starts", end.exists)
        before = time.monotonic()
        dev.process.send_signal(signal.SIGTERM)
        assert dev.end() == 0
        assert time.monotonic() - before < 20


@pytest.mark.long
def test_a_module_that_cannot_be_imported_is_tried_again_when_it_changes(server: Path, cli: Cli) -> None:
    server.write_text("import no_such_module\n")
    with running("dev", str(server), "--port", "0") as dev:
        dev.line("watching .* for changes")
        assert "No module named 'no_such_module'" in dev.text
        assert "the server did not start; it is started again when a file changes" in dev.text
        assert "endpoint:" not in dev.text
        server.write_text(SERVER)
        dev.line("^the server is ready$")
        endpoint = dev.line(r"^endpoint: (\S+)$")[1]
        assert cli("call", endpoint, "version").stdout == "one\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("def broken(:", "invalid syntax"),
        ("1 / 0", "ZeroDivisionError"),
        ("import os; os._exit(3)", None),
        ("other = TaskServer('other')", "has several servers"),
        ("mcp.tool(task='yes')(lambda: 1)", "task='yes'"),
    ],
)
def test_a_change_that_cannot_be_loaded_leaves_the_server_as_it_was(
    shared_dev: Watched, cli: Cli, change: str, said: str | None
) -> None:
    shared_dev.file.write_text(f"{shared_dev.code}\n{change}\n")
    if said:
        shared_dev.dev.line(re.escape(said))
    shared_dev.dev.line("^server.py changed and cannot be loaded: the server goes on with the code that it has")
    assert cli("tools", shared_dev.endpoint).returncode == 0


def test_the_next_change_that_can_be_loaded_is_served_at_the_same_endpoint(shared_dev: Watched, cli: Cli) -> None:
    shared_dev.file.write_text(f"{shared_dev.code}\n2 / 0\n")
    shared_dev.dev.line("cannot be loaded")
    version = shared_dev.changed()
    assert cli("call", shared_dev.endpoint, "version").stdout == f"{version}\n"
    assert sum(line.startswith("endpoint:") for line in shared_dev.dev.lines) == 1


def test_a_template_that_no_cluster_can_have_is_told_with_the_tool_that_names_it(watched: Watched) -> None:
    told = r"WARNING .*tool 'odd': no McpTaskTemplate can be called 'Not_A_Name', .* lower-case letters, digits"
    assert re.search(told, watched.dev.text)


def test_a_server_that_crashes_is_missed(watched: Watched, cli: Cli) -> None:
    assert cli("call", watched.endpoint, "die").returncode == 1
    watched.dev.line("^the server ended with exit code 9; it is started again when a file changes$")
    watched.changed()


@pytest.mark.long
def test_commands_in_the_directory_find_it_and_say_so(server: Path, tmp_path: Path) -> None:
    unset = dict.fromkeys(("KUBECONFIG", "MCPTASKS_KUBECONFIG", "MCPTASKS_CONTEXT"), "")
    environment = {**{name: value for name, value in os.environ.items() if name not in unset}, "HOME": str(tmp_path)}
    (tmp_path / "project" / "below").mkdir(parents=True)

    def cli(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mcptasks", *words],
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    project = tmp_path / "project"
    with running("dev", str(server), "--port", "0", directory=project) as dev:
        kubeconfig = dev.line(r"export KUBECONFIG=(\S+)$")[1]
        dev.line(r"^  version\(until: string = \"\"\)$")
        dev.line("^call one from another terminal:$")
        pasted = shlex.split(dev.line(r"^  mcptasks (call http\S+ version)$")[1])
        dev.line("watching .* for changes")
        assert cli(project, *pasted).stdout == "one\n"
        dev.line(r"^\[version-\w+\] is completed")
        assert not re.search(r"^\[(version-\w+)\].*\[\1\]", dev.text, re.MULTILINE), "an id comes once a line"
        endpoint = next(line for line in dev.lines if line.startswith("endpoint: ")).removeprefix("endpoint: ")
        named = f"cluster: that of `mcptasks dev` for {project} ({endpoint})"
        listed = cli(project / "below", "get", "-o", "name")
        assert (listed.returncode, listed.stderr) == (0, f"{named}\n")
        (task,) = listed.stdout.split()
        for command in ("describe", "logs", "delete"):
            done = cli(project, command, task)
            assert (done.returncode, done.stderr) == (0, f"{named}\n")
        assert cli(project, "get", "--kubeconfig", kubeconfig).stderr == "No resources found in default namespace.\n"
        assert cli(tmp_path.parent, "get").returncode == 2
        default = tmp_path / ".kube" / "config"
        default.parent.mkdir()
        shutil.copy(kubeconfig, default)
        assert cli(tmp_path.parent, "get").stderr == "No resources found in default namespace.\n"
        for command in ("delete", "cancel"):
            said = cli(tmp_path.parent, command, "nope").stderr.splitlines()
            assert re.fullmatch(r"cluster: https://127\.0\.0\.1:\d+ \(context \S+ of ~/\.kube/config\)", said[0])
            assert cli(project, command, "nope").stderr.splitlines()[0] == named, "dev comes before ~/.kube/config"
        default.unlink()
        dev.send(signal.SIGINT)
        assert dev.end() == 0
    done = cli(project, "get")
    assert (done.returncode, "no `mcptasks dev` runs in this directory" in done.stderr) == (2, True)


def test_a_helper_module_beside_the_server_counts_as_a_change(watched: Watched) -> None:
    (watched.file.parent / "helper.py").write_text("x = 2\n")
    watched.dev.line("^helper.py changed: restarting the server$")
    watched.dev.line("^the server is ready$")


def test_what_a_tool_raises_is_told_everywhere_in_a_few_lines(watched: Watched, cli: Cli) -> None:
    dev, endpoint = watched.dev, watched.endpoint
    line = watched.code.splitlines().index("    return 1 // n") + 1
    what, where = "ZeroDivisionError: integer division or modulo by zero", f"server.py:{line} in boom"
    before = len(dev.lines)
    failed = cli("call", endpoint, "boom")
    assert f"Error: boom failed: Error executing tool boom: {what}\n  at {where}\n`mcptasks describe " in failed.stderr
    task = re.search(r"runs as task (\S+)", failed.stderr)
    assert task is not None
    told = cli("describe", task[1], "--kubeconfig", str(watched.kubeconfig)).stdout
    last = told[told.index("Last log lines:") :]
    assert what in last
    assert re.search(rf'File "\S*server.py", line {line}, in boom', last)
    inline = cli("call", endpoint, "boom", "--no-task")
    assert f"{what}\n  at {where}\nThe log of the server has more." in inline.stderr
    dev.line(re.escape(what) + "$")
    assert cli("call", endpoint, "boom", "--arg", "n=1").returncode == 0
    dev.line(r"^\[boom-\w+\] is completed")
    told_there = dev.lines[before:]
    assert len(told_there) < 50
    assert not any("site-packages" in line for line in told_there)


def test_templates_that_tools_name_are_there_after_a_reload(watched: Watched, cli: Cli) -> None:
    """The last that changes the code: from then on there are workers of both templates to be renewed."""
    version = watched.change(watched.code.replace("poll_interval=0.1", 'poll_interval=0.1, template="gpu"', 1))
    watched.dev.line("^made template gpu, a copy of default, because tools name what this cluster does not have$")
    watched.dev.line("^the server is ready$")
    assert cli("call", watched.endpoint, "version").stdout == f"{version}\n"
    version = watched.changed()
    assert cli("call", watched.endpoint, "version").stdout == f"{version}\n"
    template = Kubectl(watched.kubeconfig, "default").get("mcptasktemplate", "gpu")
    assert template["spec"]["executor"] == "Warm"


ENVIRONMENT = """
import os
from pathlib import Path

from mcptasks import TaskConfig, TaskServer

mcp = TaskServer("mine")
NAMES = ("API_KEY", "MORE", "MCPTASKS_TASK_TOOLS", "MCPTASKS_KUBECONFIG")


def seen() -> str:
    variables = " ".join(f"{name}={os.environ[name]}" for name in NAMES[:3] if name in os.environ)
    return f"{variables} in {Path.cwd()}"


@mcp.tool(task=TaskConfig(poll_interval=0.1))
def task() -> str:
    assert "MCPTASKS_KUBECONFIG" not in os.environ
    return seen()


@mcp.tool(task=False)
def inline() -> str:
    return seen()
"""


@pytest.mark.parametrize(
    ("options", "seen"),
    [([], "API_KEY=k"), (["--clean-env", "--env-file", "variables"], "MORE=from file")],
    ids=["developer's", "clean"],
)
def test_tasks_see_the_environment_and_the_directory_that_inline_tools_see(
    tmp_path: Path, cli: Cli, options: list[str], seen: str
) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "served.py").write_text(ENVIRONMENT)
    (tmp_path / "variables").write_text("MORE='from file'\n")
    words = ["dev", "package.served", "--port", "0", "--no-dashboard", *options]
    with running(*words, directory=tmp_path, environment={"API_KEY": "k"}) as dev:
        endpoint, _ = started(dev)
        for tool in ("task", "inline"):
            assert cli("call", endpoint, tool).stdout == f"{seen} in {tmp_path}\n", tool


def test_a_wrong_file_of_variables_ends_with_2(server: Path, cli: Cli) -> None:
    done = cli("dev", str(server), "--port", "0", "--env-file", str(server))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"Error: {server}:2: write NAME=value\n"


@pytest.mark.long
def test_the_name_behind_the_colon_chooses_among_servers(server: Path, cli: Cli) -> None:
    server.write_text(SERVER + '\nother = TaskServer("other")\n')
    with running("dev", f"{server.name}:mcp", "--port", "0", directory=server.parent) as dev:
        endpoint, _ = started(dev)
        assert cli("call", endpoint, "version").stdout == "one\n"


MAPS = """
from mcptasks import TaskServer

mcp = TaskServer("maps")


@mcp.tool(task=True)
def draw(place: str) -> str:
    return f"A map of {place}"
"""


@pytest.mark.long
def test_several_modules_are_served_as_one_and_all_are_watched(
    server: Path, cli: Cli, tmp_path_factory: pytest.TempPathFactory
) -> None:
    maps = tmp_path_factory.mktemp("elsewhere") / "maps.py"
    maps.write_text(MAPS)
    with running("dev", server.name, f"geo={maps}", "--port", "0", directory=server.parent) as dev:
        endpoint, _ = started(dev)
        assert cli("call", endpoint, "version").stdout == "one\n"
        assert cli("call", endpoint, "geo_draw", "--arg", "place=Paris").stdout == "A map of Paris\n"
        maps.write_text(MAPS.replace("A map", "A plan"))
        dev.line("^maps.py changed: restarting the server$")
        dev.line("^the server is ready$")
        assert cli("call", endpoint, "geo_draw", "--arg", "place=Paris").stdout == "A plan of Paris\n"


def test_each_of_several_modules_must_exist(server: Path, cli: Cli) -> None:
    done = cli("dev", str(server), f"geo={server.with_name('maps.py')}", "--port", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert "maps.py does not exist; give the Python file that has your server" in done.stderr


@pytest.mark.long
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "server.py does not exist; give the Python file that has your server"),
        ("x = 1\n", "has no TaskServer at module level"),
        (
            "from mcptasks import TaskServer\na = TaskServer('a')\nb = TaskServer('b')\n",
            r"has several servers \(a, b\): name one, as in \S+server.py:a",
        ),
        (
            "from mcp.server.mcpserver import MCPServer\nmcp = MCPServer('m')\n",
            "make mcp a TaskServer: `from mcptasks import TaskServer`",
        ),
    ],
)
def test_a_file_without_one_server_ends_with_2(server: Path, cli: Cli, content: str | None, message: str) -> None:
    server.unlink() if content is None else server.write_text(content)
    done = cli("dev", str(server), "--port", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(message, done.stderr)
    assert len(said_after_its_start(done.stderr)) == 1


def test_a_port_in_use_ends_with_2(server: Path, cli: Cli) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = cli("dev", str(server), "--port", str(port))
    assert done.returncode == 2
    assert said_after_its_start(done.stderr) == [
        f"Error: port {port} on 127.0.0.1 is in use; choose another one with --port (0 is any free one)"
    ]


def said_after_its_start(text: str) -> list[str]:
    """What `dev` has said since it told that it starts, which it does at once."""
    return [line for line in text.splitlines() if line != "starting a cluster, the operator and the server"]


@pytest.mark.long
def test_nothing_survives_a_kill(server: Path, end: Path) -> None:
    with running("dev", str(server), "--port", "0") as dev:
        endpoint, kubeconfig = started(dev)
        call = subprocess.Popen(
            [sys.executable, "-m", "mcptasks", "call", endpoint, "version", "--arg", f"until={end}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        dev.line("hello from version")
        processes = [process for process in dev.descendants() if process.pid != call.pid]
        dev.send(signal.SIGKILL)
        dev.process.wait()
        call.kill()
        call.wait()
    assert gone(processes)
    eventually("the files are gone", lambda: not kubeconfig.parent.exists())
    assert all(not psutil.pid_exists(process.pid) or process.status() == "zombie" for process in processes)
