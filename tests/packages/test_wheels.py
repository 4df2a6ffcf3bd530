"""What somebody gets who has the wheels and nothing of the repository."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.integration.cli.background import running
from tests.packages.conftest import BuiltWheels, Install, uv
from tests.unit.repository.test_client_distribution import LARGEST_INSTALLATION

KUBERNETES = {"kubernetes", "kopf", "mcp", "aiohttp"}
SERVER = '''from mcptasks import TaskServer

mcp = TaskServer("greetings")


@mcp.tool(task=True)
def greet(name: str) -> str:
    """Greet somebody."""
    return f"hello {name}"
'''
PROGRAM = """
import asyncio, sys
from mcptasks.client import Client

async def main():
    async with Client(sys.argv[1]) as client:
        task = await client.call_tool("greet", {"name": "program"}, task=True)
        assert not task.returned_immediately
        print((await task.result(timeout=120)).text)

asyncio.run(main())
"""


def test_the_metadata_is_fit_for_an_index(wheels: BuiltWheels) -> None:
    files = [str(path) for path in (wheels.whole, wheels.client, wheels.source)]
    done = subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_page_on_an_index_has_no_link_that_leads_nowhere(wheels: BuiltWheels) -> None:
    with zipfile.ZipFile(wheels.whole) as wheel:
        (name,) = (one for one in wheel.namelist() if one.endswith(".dist-info/METADATA"))
        page = wheel.read(name).decode()
    assert "](https://" in page
    assert "](docs/" not in page
    assert "](examples" not in page


def test_a_wheel_built_from_the_sdist_is_the_same(wheels: BuiltWheels, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "-w", str(tmp_path), str(wheels.source)], check=True)
    (rebuilt,) = tmp_path.glob("*.whl")
    assert rebuilt.name == wheels.whole.name
    with zipfile.ZipFile(rebuilt) as one, zipfile.ZipFile(wheels.whole) as other:
        assert set(one.namelist()) == set(other.namelist())
        assert one.read("mcptasks/build.json") == other.read("mcptasks/build.json")


def test_the_whole_is_installed_by_one_wheel(wheels: BuiltWheels, install: Install, interpreter: str) -> None:
    environment = install(wheels.whole, interpreter)
    uv("pip", "check", "--python", environment.python)
    facts = json.loads(environment.run("mcptasks", "version", "-o", "json").stdout)
    assert facts["distribution"] == "mcptasks"
    assert f"-{facts['version']}-" in wheels.whole.name
    assert len(facts["commit"]) == 40
    assert environment.run("mcptasks", "crds").stdout.count("kind: CustomResourceDefinition") == 2
    assert environment.run("kubectl-mcptasks", "get", "--help").stdout.startswith("Usage: kubectl mcptasks get")
    assert environment.run("kubectl_complete-mcptasks", "lo").stdout.startswith("logs\t")


def test_the_client_alone_is_small_and_has_nothing_of_kubernetes(
    wheels: BuiltWheels, install: Install, interpreter: str
) -> None:
    environment = install(wheels.client, interpreter)
    packages = environment.packages()
    assert len(packages) <= LARGEST_INSTALLATION, sorted(packages)
    assert not packages & KUBERNETES
    uv("pip", "check", "--python", environment.python)
    assert json.loads(environment.run("mcptasks", "version", "-o", "json").stdout)["distribution"] == "mcptasks-client"


def test_the_client_alone_says_what_it_lacks(wheels: BuiltWheels, install: Install) -> None:
    environment = install(wheels.client, sys.executable)
    commands = environment.run("mcptasks", "--help").stdout
    assert "\n  call " in commands
    assert "demo" not in commands
    demo = environment.run("mcptasks", "demo")
    assert demo.returncode == 1
    assert demo.stderr == (
        "Error: `mcptasks demo` is not part of mcptasks-client: install `mcptasks`, which has everything\n"
    )
    server = environment.run("python", "-c", "from mcptasks import TaskServer")
    assert server.stderr.endswith(
        "ImportError: mcptasks-client has no TaskServer: install `mcptasks`, which has everything\n"
    )


def test_the_client_alone_calls_a_server_of_the_whole(
    wheels: BuiltWheels, install: Install, interpreter: str, tmp_path: Path
) -> None:
    whole, client = install(wheels.whole, interpreter), install(wheels.client, interpreter)
    (tmp_path / "server.py").write_text(SERVER)
    with running("dev", "server.py", "--port", "0", directory=tmp_path, python=whole.python) as dev:
        endpoint = dev.line(r"^endpoint: (\S+)$", 240)[1]
        dev.line("watching .* for changes")
        called = client.run("mcptasks", "call", endpoint, "greet", "--arg", "name=terminal")
        assert called.returncode == 0, called.stderr
        assert "hello terminal" in called.stdout
        by_program = client.run("python", "-c", PROGRAM, endpoint)
        assert by_program.stdout == "hello program\n", by_program.stderr
        dev.send(signal.SIGINT)
        dev.end()


def test_the_demonstration_runs_from_the_wheel_alone(wheels: BuiltWheels, interpreter: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "uv", "tool", "run", "--isolated", "--python", interpreter]
    done = subprocess.run(
        [*command, "--from", str(wheels.whole), "mcptasks", "demo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PodsTerminated: True" in done.stdout
