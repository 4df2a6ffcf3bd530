"""Results in pieces, from our own server: the client, and `mcptasks result`."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mcptasks.cli import main
from mcptasks.cli.command_errors import CliError
from mcptasks.cli.result_download import ResultDownload
from mcptasks.client import Client, ClientError, McpError, ResultPiece, SyncClient
from mcptasks.model.base import JsonObject
from mcptasks.model.lifecycle import Ending
from mcptasks.model.task import Phase, Reason, ResultRecord
from mcptasks.protocol.versions import RESULT_PIECE_META, ProtocolChoice
from mcptasks.settings import KIB, Settings
from tests.unit.client.fake_server import FakeServer
from tests.unit.protocol.conftest import Endpoint, serving

pytestmark = pytest.mark.anyio

RESULT: JsonObject = {"content": [{"type": "text", "text": 20_000 * "é\U0001d11e\n"}], "isError": False}
TEXT = json.dumps(RESULT, ensure_ascii=False, separators=(",", ":"))
DATA = TEXT.encode()
SHA256 = hashlib.sha256(DATA).hexdigest()

Fetch = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with serving(Settings(max_result_piece_bytes=50 * KIB)) as served:
        yield served


@pytest.fixture(params=["2025-11-25", "2026-07-28"])
def protocol(request: pytest.FixtureRequest) -> ProtocolChoice:
    version: ProtocolChoice = request.param
    return version


@pytest.fixture
def task_id(endpoint: Endpoint) -> str:
    """A task with the large result."""
    task_id = endpoint.make()
    record = ResultRecord(text=TEXT, size_bytes=len(DATA), sha256=SHA256)
    endpoint.change(task_id, Ending(Phase.COMPLETED, Reason.COMPLETED, "done", result=record))
    return task_id


@pytest.fixture
def fetch(endpoint: Endpoint, capsys: pytest.CaptureFixture[str]) -> Fetch:
    """Runs the command in this process; gives exit code, standard output, standard error."""

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["result", endpoint.url, *words])
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, captured.out, captured.err

    return run


async def test_the_pieces_are_the_result(endpoint: Endpoint, protocol: ProtocolChoice, task_id: str) -> None:
    async with Client(endpoint.url, protocol=protocol) as client:
        pieces = [piece async for piece in client.result_pieces(task_id)]
    assert len(pieces) == len(DATA) // (50 * KIB) + 1
    assert "".join(piece.text for piece in pieces) == TEXT
    assert {(piece.size, piece.sha256) for piece in pieces} == {(len(DATA), SHA256)}
    assert [piece.offset for piece in pieces[1:]] == [piece.next_offset for piece in pieces[:-1]]


async def test_one_piece_is_there_without_the_others(
    endpoint: Endpoint, protocol: ProtocolChoice, task_id: str
) -> None:
    async with Client(endpoint.url, protocol=protocol) as client:
        assert await client.result_piece(task_id, 2, 7) == ResultPiece("content", 2, len(DATA), SHA256, 9)
        with pytest.raises(McpError, match="Invalid offset"):
            await client.result_piece(task_id, len(DATA))


def test_scripts_without_a_loop_have_them_too(endpoint: Endpoint, task_id: str) -> None:
    with SyncClient(endpoint.url) as client:
        assert "".join(piece.text for piece in client.result_pieces(task_id)) == TEXT


async def test_a_client_may_want_no_more_in_one_answer(
    endpoint: Endpoint, protocol: ProtocolChoice, task_id: str
) -> None:
    async with Client(endpoint.url, protocol=protocol, max_result_bytes=KIB) as client:
        (link,) = (await client.resume(task_id).result()).content
    assert (link["type"], link["size"]) == ("resource_link", len(DATA))


async def test_an_answer_that_is_no_piece_is_told_apart(new: FakeServer) -> None:
    async with Client(new.url) as client:
        with pytest.raises(ClientError, match="something else than a piece"):
            await client.result_piece("any")


def answer_of(text: object = "abc", **changes: object) -> JsonObject:
    """An answer with the piece that is a result of 10 bytes from its beginning on, unless changed."""
    meta = {"offset": 0, "length": 3, "size": 10, "sha256": SHA256, "nextOffset": 3, **changes}
    return {"contents": [{"uri": "task://any/result", "text": text, "_meta": {RESULT_PIECE_META: meta}}]}


def test_a_piece_is_what_the_answer_says() -> None:
    assert ResultPiece.parse(answer_of()) == ResultPiece("abc", 0, 10, SHA256, 3)
    assert ResultPiece.parse(answer_of(offset=7, nextOffset=None)) == ResultPiece("abc", 7, 10, SHA256)


@pytest.mark.parametrize(
    "raw",
    [
        answer_of(b"abc"),
        answer_of(""),
        answer_of("a\ud800c"),
        answer_of(offset="0"),
        answer_of(offset=False),
        answer_of(offset=-1, nextOffset=2),
        answer_of(size=10.0),
        answer_of(size=2, nextOffset=None),
        answer_of(sha256=None),
        answer_of(sha256="A" * 64),
        answer_of(nextOffset="3"),
        answer_of(nextOffset=0),
        answer_of(nextOffset=4),
        answer_of(nextOffset=None),
        answer_of(offset=7, nextOffset=10),
    ],
)
def test_a_piece_that_cannot_be_is_none(raw: JsonObject) -> None:
    with pytest.raises(ClientError, match="something else than a piece"):
        ResultPiece.parse(raw)


async def test_another_piece_than_was_asked_for_is_none(new: FakeServer) -> None:
    new.result = answer_of()
    async with Client(new.url) as client:
        with pytest.raises(ClientError, match="the piece at 0 in place of that at 5"):
            await client.result_piece("any", 5)


@pytest.mark.parametrize("changes", [{"sha256": "0" * 64}, {"size": 11}])
async def test_pieces_of_two_results_are_not_put_together(new: FakeServer, changes: dict[str, object]) -> None:
    new.result = answer_of()
    async with Client(new.url) as client:
        pieces = client.result_pieces("any")
        await anext(pieces)
        new.result = answer_of(offset=3, nextOffset=6, **changes)
        with pytest.raises(ClientError, match="another result by now"):
            await anext(pieces)


def test_scripts_without_a_loop_put_none_together_either(new: FakeServer) -> None:
    new.result = answer_of()
    with SyncClient(new.url) as client:
        pieces = client.result_pieces("any")
        next(pieces)
        new.result = answer_of(offset=3, nextOffset=6, sha256="0" * 64)
        with pytest.raises(ClientError, match="another result by now"):
            next(pieces)


async def test_an_id_of_any_characters_stays_the_id(new: FakeServer) -> None:
    new.result = answer_of()
    async with Client(new.url) as client:
        await client.result_piece("a/b?offset=7#c d")
    assert new.last("resources/read").params["uri"] == "task://a%2Fb%3Foffset%3D7%23c%20d/result?offset=0"


def test_the_command_writes_the_result_to_standard_output(fetch: Fetch, task_id: str) -> None:
    assert fetch(task_id) == (0, f"{TEXT}\n", "")


def test_what_is_printed_is_checked(endpoint: Endpoint, fetch: Fetch) -> None:
    task_id = endpoint.make()
    record = ResultRecord(text=TEXT.replace("\\n", "\\t"), size_bytes=len(DATA), sha256=SHA256)
    endpoint.change(task_id, Ending(Phase.COMPLETED, Reason.COMPLETED, "done", result=record))
    code, _, err = fetch(task_id)
    assert code == 1
    assert "what was printed is not the recorded result" in err


def test_who_waits_for_a_task_that_asks_something_is_told_so(
    new: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    new.statuses, new.message = ["input_required", "input_required", "completed"], "sure?"
    new.lists["resources/read"] = answer_of("{}", size=2, sha256=hashlib.sha256(b"{}").hexdigest(), nextOffset=None)
    with pytest.raises(SystemExit) as ended:
        main(["result", new.url, "job-1"])
    assert ended.value.code == 0
    out, err = capsys.readouterr()
    assert out == "{}\n"
    assert sorted(err.splitlines()) == [
        "job-1 waits for an answer: give it with mcptasks answer job-1",
        "job-1: sure?",
    ]


def test_the_command_writes_it_into_a_file_and_tells_how_far_it_is(
    fetch: Fetch, task_id: str, tmp_path: Path, protocol: ProtocolChoice
) -> None:
    code, out, err = fetch(task_id, "--output", str(tmp_path / "all.json"), "--protocol", protocol)
    assert (code, out) == (0, "")
    assert (tmp_path / "all.json").read_bytes() == DATA
    assert [path.name for path in tmp_path.iterdir()] == ["all.json"]
    assert err.splitlines()[0].startswith(f"{task_id}: 3")
    assert err.splitlines()[-1].startswith(f"{task_id}: completed: {len(DATA):,} bytes")


@pytest.mark.parametrize("length", [60_000, 60_002, len(DATA)])
def test_what_was_interrupted_goes_on_where_it_stopped(fetch: Fetch, task_id: str, tmp_path: Path, length: int) -> None:
    (tmp_path / "all.json.part").write_bytes(DATA[:length])
    code, _, err = fetch(task_id, "--output", str(tmp_path / "all.json"))
    assert code == 0
    assert (tmp_path / "all.json").read_bytes() == DATA
    assert len(err.splitlines()) == 1 + -(-(len(DATA) - length) // (50 * KIB))


@pytest.mark.parametrize("beginning", [b"", b"{", DATA[:35]])
def test_a_beginning_may_be_short_or_end_within_a_character(
    fetch: Fetch, task_id: str, tmp_path: Path, beginning: bytes
) -> None:
    (tmp_path / "all.json.part").write_bytes(beginning)
    assert fetch(task_id, "--output", str(tmp_path / "all.json"))[0] == 0
    assert (tmp_path / "all.json").read_bytes() == DATA


@pytest.mark.parametrize(
    "other", [b"x", b"x" * 60_000, b"\xff" * 60_000, DATA[:60_000] + b"\xff" * 9, DATA + DATA, DATA[:500] + b"\n"]
)
def test_what_is_no_beginning_of_the_result_stays_as_it_is(
    fetch: Fetch, task_id: str, tmp_path: Path, other: bytes
) -> None:
    (tmp_path / "all.json.part").write_bytes(other)
    code, _, err = fetch(task_id, "--output", str(tmp_path / "all.json"))
    assert code == 1
    assert "all.json.part is no beginning of this result" in err
    assert (tmp_path / "all.json.part").read_bytes() == other
    assert [path.name for path in tmp_path.iterdir()] == ["all.json.part"]


def no_link(_part: Path, _target: Path) -> None:
    raise PermissionError(errno.EPERM, "Operation not permitted")


@pytest.fixture(params=[os.link, no_link])
def download(request: pytest.FixtureRequest, tmp_path: Path) -> ResultDownload:
    """One of which everything is there, on a file system with links and on one without."""
    (tmp_path / "all.json.part").write_bytes(DATA)
    return ResultDownload(tmp_path / "all.json", request.param)


def test_a_file_gets_its_name_with_links_and_without(download: ResultDownload, tmp_path: Path) -> None:
    download.finish(SHA256)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("all.json", DATA)]


def test_a_file_that_somebody_has_made_meanwhile_is_not_overwritten(download: ResultDownload, tmp_path: Path) -> None:
    (tmp_path / "all.json").write_text("mine")
    with pytest.raises(CliError, match=r"the file exists by now; the result is in .*all\.json\.part"):
        download.finish(SHA256)
    assert (tmp_path / "all.json").read_text() == "mine"
    assert (tmp_path / "all.json.part").read_bytes() == DATA


def test_a_file_that_differs_in_its_middle_is_not_taken_for_the_result(
    fetch: Fetch, task_id: str, tmp_path: Path
) -> None:
    (tmp_path / "all.json.part").write_bytes(DATA[:2000] + DATA[2000:60_000].replace(b"\\n", b"\\t"))
    code, _, err = fetch(task_id, "--output", str(tmp_path / "all.json"))
    assert code == 1
    assert "not the recorded result" in err
    assert list(tmp_path.iterdir()) == []


def test_no_file_is_overwritten(fetch: Fetch, task_id: str, tmp_path: Path) -> None:
    (tmp_path / "all.json").write_text("mine")
    code, _, err = fetch(task_id, "--output", str(tmp_path / "all.json"))
    assert code == 2
    assert "the file exists" in err
    assert (tmp_path / "all.json").read_text() == "mine"


def test_a_folder_that_is_missing_is_named(fetch: Fetch, task_id: str, tmp_path: Path) -> None:
    code, _, err = fetch(task_id, "--output", str(tmp_path / "no" / "all.json"))
    assert code == 2
    assert "there is no folder" in err


def test_a_task_without_a_result_says_why(fetch: Fetch, endpoint: Endpoint) -> None:
    task_id = endpoint.make()
    endpoint.fail(task_id, Reason.OOM_KILLED, "it ran out of memory")
    code, _, err = fetch(task_id)
    assert code == 1
    assert "ended without one (it ran out of memory)" in err
