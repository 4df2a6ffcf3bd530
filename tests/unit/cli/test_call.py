"""`mcptasks call` against a small MCP server."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mcptasks.cli import main
from mcptasks.cli.call_run import told_of_silence
from mcptasks.cli.progress_view import PlainView
from mcptasks.model.base import JsonObject
from mcptasks.protocol.versions import IDEMPOTENCY_META
from tests.unit.client.fake_server import OLD, TASK_ID, FakeServer, HttpFault, RpcFault, serving

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs the command in this process; gives exit code, standard output, standard error."""

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["call", *words])
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, captured.out, captured.err

    return run


MORE = f"`mcptasks describe {TASK_ID}` and `mcptasks logs {TASK_ID}` show more."


def test_the_result_goes_to_standard_output_and_all_else_does_not(server: FakeServer, call: Call) -> None:
    server.message = "half done"
    code, out, err = call(server.url, "work", "--arg", "top=5")
    assert (code, out) == (0, "done\n")
    assert err.splitlines() == [f"work runs as task {TASK_ID}", "work: half done", "work: completed"]
    assert server.last("tools/call").params["arguments"] == {"top": 5}


def test_json_output_is_the_result_as_it_came(new: FakeServer, call: Call) -> None:
    new.result = {"content": [{"type": "text", "text": "ü"}], "structuredContent": {"n": 1}, "isError": False}
    code, out, _ = call(new.url, "work", "-o", "json")
    assert code == 0
    assert json.loads(out) == {"resultType": "complete", **new.result}
    assert "ü" in out


@pytest.mark.anyio
async def test_a_server_that_does_not_answer_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    with told_of_silence(PlainView(), "http://silent/mcp", seconds=0):
        await asyncio.sleep(0.001)
    assert capsys.readouterr().err == "http://silent/mcp has not answered yet; waiting\n"
    with told_of_silence(PlainView(), "http://quick/mcp", seconds=0) as heard:
        heard()
        await asyncio.sleep(0.001)
    assert capsys.readouterr().err == ""


def test_an_idempotency_key_goes_with_the_call(server: FakeServer, call: Call) -> None:
    call(server.url, "work", "--idempotency-key", "nightly-2026-11-28")
    assert server.last("tools/call").meta[IDEMPOTENCY_META] == "nightly-2026-11-28"


def test_arguments_may_come_as_json(server: FakeServer, call: Call) -> None:
    call(server.url, "work", "--json", '{"top": 1, "names": ["a"]}', "--arg", "top=2")
    assert server.last("tools/call").params["arguments"] == {"top": 2, "names": ["a"]}


def test_a_tool_error_ends_with_1_and_its_text(server: FakeServer, call: Call) -> None:
    server.result = {"content": [{"type": "text", "text": "no disk"}], "isError": True}
    server.statuses = ["failed" if server.version == OLD else "completed"]
    code, out, err = call(server.url, "work")
    assert (code, out) == (1, "")
    assert err.splitlines()[-2:] == ["Error: work failed: no disk", MORE]


def test_a_tool_error_of_an_inline_call_names_the_servers_log(server: FakeServer, call: Call) -> None:
    server.result = {"content": [{"type": "text", "text": "no disk"}], "isError": True}
    _, _, err = call(server.url, "work", "--no-task")
    assert err.splitlines()[-2:] == ["Error: work failed: no disk", "The log of the server has more."]


def test_a_failed_task_ends_with_1_message_and_reason(server: FakeServer, call: Call) -> None:
    server.statuses = ["failed"]
    server.error = RpcFault(-32603, "the process was killed", {"reason": "OOMKilled"})
    code, out, err = call(server.url, "work")
    assert (code, out) == (1, "")
    assert err.splitlines()[-2:] == ["Error: work failed: the process was killed (OOMKilled)", MORE]


def test_a_task_cancelled_by_others_ends_with_1(server: FakeServer, call: Call) -> None:
    server.statuses = ["cancelled"]
    server.message = "cancelled by spec.cancel"
    code, _, err = call(server.url, "work")
    assert code == 1
    assert err.splitlines()[-1] == "Error: work was cancelled: cancelled by spec.cancel"


def test_no_task_calls_inline(server: FakeServer, call: Call) -> None:
    code, out, err = call(server.url, "work", "--no-task")
    assert (code, out, err) == (0, "done\n", "work: completed\n")
    assert "tasks/get" not in server.methods()


def test_the_protocol_can_be_chosen(server: FakeServer, call: Call) -> None:
    assert call(server.url, "work", "--protocol", server.version)[0] == 0
    assert ("initialize" in server.methods()) == (server.version == OLD)


def test_the_ttl_may_be_written_as_people_do(call: Call) -> None:
    with serving(FakeServer(OLD)) as old:
        call(old.url, "work", "--ttl", "10m")
        assert old.last("tools/call").params["task"] == {"ttl": 600_000}


def test_a_ttl_that_the_protocol_version_does_not_take_is_not_dropped_in_silence(new: FakeServer, call: Call) -> None:
    code, out, err = call(new.url, "work", "--ttl", "10m")
    assert (code, out) == (0, "done\n")
    assert "MCP 2026-07-28 leaves the ttl of tasks to the server: the ttl of work is not sent" in err
    assert "ttl" not in call(new.url, "work")[2]


def test_headers_and_token_go_out(new: FakeServer, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    new.token = "secret"
    monkeypatch.setenv("MCPTASKS_TOKEN", "secret")
    assert call(new.url, "work", "--header", "X-Team: blue")[0] == 0
    assert new.last("tools/call").headers["x-team"] == "blue"


IMAGE = {"type": "image", "data": base64.b64encode(b"picture").decode(), "mimeType": "image/png"}


def test_images_and_files_are_saved_and_said_to_be(server: FakeServer, call: Call, tmp_path: Path) -> None:
    server.result = {"content": [{"type": "text", "text": "a plot"}, IMAGE], "isError": False}
    code, out, err = call(server.url, "work", "--save", str(tmp_path / "new"))
    assert (code, out) == (0, "a plot\n")
    assert err.splitlines()[-1] == f"saved {tmp_path}/new/work-1.png"
    assert (tmp_path / "new" / "work-1.png").read_bytes() == b"picture"


def test_without_a_folder_the_way_to_keep_an_image_is_said(new: FakeServer, call: Call) -> None:
    new.result = {"content": [IMAGE], "isError": False}
    assert call(new.url, "work")[1] == "[image/png, 9 bytes; --save FOLDER keeps them, -o json shows them]\n"


def test_a_place_to_save_that_cannot_be_is_refused_before_the_call(new: FakeServer, call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, err = call(new.url, "work", "--save", str(tmp_path / "file"))
    assert (code, "tools/call" in new.methods()) == (2, False)
    assert "give a folder" in err


PROMPTS: JsonObject = {"prompts": [{"name": "review", "arguments": [{"name": "topic", "required": True}]}]}
TEMPLATES: JsonObject = {"resourceTemplates": [{"uriTemplate": "report://{year}/full", "name": "full"}]}


@pytest.mark.parametrize("option", [[], ["--prompt"]])
def test_a_prompt_is_called_as_a_tool_is(server: FakeServer, call: Call, option: list[str]) -> None:
    server.lists = {"prompts/list": PROMPTS}
    server.result = {"messages": [{"role": "user", "content": {"type": "text", "text": "Look at whales"}}]}
    code, out, err = call(server.url, *option, "review", "--arg", "topic=whales")
    assert (code, out) == (0, "Look at whales\n"), err
    assert server.last("prompts/get").params["arguments"] == {"topic": "whales"}
    assert (f"review runs as task {TASK_ID}" in err) is (server.version == OLD)


@pytest.mark.parametrize(
    "words",
    [["report://2026/full"], ["report://{year}/full", "--arg", "year=2026"], ["--resource", "report://2026/full"]],
)
def test_a_resource_is_read_by_its_uri_or_template(server: FakeServer, call: Call, words: list[str]) -> None:
    server.lists = {"resources/templates/list": TEMPLATES}
    server.result = {"contents": [{"uri": "report://2026/full", "mimeType": "text/plain", "text": "All of 2026"}]}
    assert call(server.url, *words)[:2] == (0, "All of 2026\n")
    assert server.last("resources/read").params["uri"] == "report://2026/full"


def test_contents_of_a_resource_are_kept_as_files(new: FakeServer, call: Call, tmp_path: Path) -> None:
    new.result = {"contents": [{"uri": "report://2026/full.csv", "mimeType": "text/csv", "text": "a,b"}]}
    assert call(new.url, "report://2026/full.csv", "--save", str(tmp_path / "table.csv"))[1] == ""
    assert (tmp_path / "table.csv").read_text() == "a,b"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nope"], "has no tool or prompt 'nope'; it has: quick, work, review"),
        (["nope", "--prompt"], "has no prompt 'nope'; it has: review"),
        (["review", "--arg", "tpoic=x"], "no argument 'tpoic'"),
        (["report://{year}/full"], "is a template: give --arg year=..., or the URI itself"),
        (["report://2026/full", "--arg", "year=1"], "takes no arguments: what it takes is in its URI"),
        (["report://{yaer}/full"], "has no tool or resource 'report://{yaer}/full'"),
        (["work", "--prompt", "--resource"], "--prompt and --resource exclude each other"),
    ],
)
def test_what_a_server_does_not_have_is_wrong_usage(
    new: FakeServer, call: Call, words: list[str], message: str
) -> None:
    new.lists = {"prompts/list": PROMPTS, "resources/templates/list": TEMPLATES}
    code, out, err = call(new.url, *words)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nope"], "has no tool 'nope'; it has: quick, work"),
        (["work", "--arg", "tpo=1"], "no argument 'tpo'"),
        (["work", "--json", "{"], "--json is not JSON"),
        (["work", "--ttl", "soon"], "'soon' is not a duration"),
        (["work", "--header", "nonsense"], "not of the form 'Name: value'"),
        (["work", "--protocol", "1999"], "protocol '1999' is unknown"),
    ],
)
def test_wrong_usage_ends_with_2_and_one_line(new: FakeServer, call: Call, words: list[str], message: str) -> None:
    code, out, err = call(new.url, *words)
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")
    assert message in err
    assert len(err.splitlines()) == 1
    assert "tools/call" not in new.methods()


def test_a_header_that_is_not_one_is_not_repeated(new: FakeServer, call: Call) -> None:
    code, _, err = call(new.url, "work", "--header", "X-Key: 1", "--header", "Authorization Bearer secret")
    assert code == 2
    assert "--header number 2" in err
    assert "secret" not in err


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (HttpFault(404, "nothing here"), "answers HTTP 404: nothing here; is the path right?"),
        (HttpFault(405, "no POST here"), "answers HTTP 405: no POST here; is the path right?"),
        (HttpFault(503, "busy"), "answers HTTP 503: busy"),
        (HttpFault(403), "refuses access (HTTP 403)"),
        (HttpFault(401, '{"error": "invalid_token", "error_description": "Authentication required"}'), "wants a token"),
        (HttpFault(403, '{"error": "insufficient_scope", "error_description": "Required scope: x"}'), "scope: x"),
    ],
)
def test_a_server_that_refuses_ends_with_1(new: FakeServer, call: Call, fault: HttpFault, message: str) -> None:
    new.faults = {"server/discover": [fault], "initialize": [fault]}
    code, _, err = call(new.url, "work")
    assert code == 1
    assert message in err


def test_content_that_is_not_text_is_named(new: FakeServer, call: Call) -> None:
    new.result = {
        "content": [
            {"type": "image", "data": "AAAA", "mimeType": "image/png"},
            {"type": "resource_link", "uri": "file:///x", "name": "x"},
        ]
    }
    _, out, _ = call(new.url, "work")
    assert out.splitlines() == ["[image/png, 3 bytes; --save FOLDER keeps them, -o json shows them]", "file:///x"]


def interrupted(server: FakeServer, until: Callable[[str], bool]) -> tuple[int, str]:
    """Run the command in a process of its own, interrupt it after the line on standard error that `until` wants."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mcptasks", "call", server.url, "work"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(30, process.kill)
    watchdog.start()
    try:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if until(line):
                os.kill(process.pid, signal.SIGINT)
        process.wait()
        return process.returncode, "".join(lines)
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def test_ctrl_c_cancels_the_task(server: FakeServer) -> None:
    server.statuses = ["working"]
    code, err = interrupted(server, until=lambda line: "runs as task" in line)
    assert code == 130
    assert err.splitlines()[-1] == f"Error: interrupted: task {TASK_ID} is cancelled"
    assert server.last("tasks/cancel").params["taskId"] == TASK_ID


def test_ctrl_c_says_where_the_task_could_not_be_cancelled(server: FakeServer) -> None:
    server.statuses = ["working"]
    server.faults["tasks/cancel"] = [HttpFault(503, "busy")]
    code, err = interrupted(server, until=lambda line: "runs as task" in line)
    assert code == 130
    assert f"task {TASK_ID} could not be cancelled" in err.splitlines()[-1]
