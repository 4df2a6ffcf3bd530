"""The README and the tutorial do what they say: their commands are run."""

from __future__ import annotations

import re
import subprocess

import pytest

from mcptasks.dev.stack import LocalStack, StackConfig
from tests.support.kubectl import Kubectl
from tests.support.polling import eventually
from tests.support.readme import README, ROOT, TUTORIAL, blocks, words_of


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = "\n".join([*blocks("sh"), *blocks("sh", TUTORIAL), *re.findall(r"`([^`\n]+)`", README)])
    named = set(re.findall(r"^make ([a-z0-9-]+)", commands, re.MULTILINE))
    assert named <= targets
    assert {"demo", "test"} <= named


def test_every_page_that_the_readme_names_is_there() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readme_is_short() -> None:
    assert len(words_of(README)) <= 500
    assert words_of("a [b c](d) ![e](f) | - |\n```sh\nx y\n```\n") == ["a", "b", "c", "e"]


def test_the_readme_begins_with_the_picture() -> None:
    assert README.index("docs/images/demo.svg") < README.index("\n## ")
    assert len(blocks("sh")[0].splitlines()) <= 5, "install and the first call"


def test_the_tutorial_writes_the_readmes_server() -> None:
    assert blocks("python", TUTORIAL) == blocks("python")


@pytest.fixture(scope="module")
def readme_stack(tmp_path_factory: pytest.TempPathFactory) -> LocalStack:
    """The README's own server."""
    (program,) = blocks("python")
    file = tmp_path_factory.mktemp("readme") / "server.py"
    file.write_text(program)
    return LocalStack(StackConfig(str(file)))


def test_the_server_of_readme_and_tutorial_and_its_task_run(readme_stack: LocalStack) -> None:
    with readme_stack as stack:
        call = next(
            line for block in blocks("sh", TUTORIAL) for line in block.splitlines() if line.startswith("mcptasks call")
        )
        words = call.partition("#")[0].split()
        words[2] = stack.endpoint
        mcptasks = [str(ROOT / ".venv" / "bin" / "mcptasks"), *words[1:]]
        done = subprocess.run(mcptasks, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert "done" in done.stdout
        (manifest,) = blocks("yaml", TUTORIAL)
        kubectl = Kubectl(stack.kubeconfig, stack.namespace)
        kubectl.run("apply", "-f", "-", stdin=manifest)
        phase = eventually("by-hand ends", lambda: (kubectl.get("mcptask", "by-hand").get("status") or {}).get("phase"))
        assert phase in ("working", "completed")
        eventually("by-hand completes", lambda: kubectl.get("mcptask", "by-hand")["status"]["phase"] == "completed")
