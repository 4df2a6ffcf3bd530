"""Tokens handed out by hand: read from a folder or a file, and read again when they change."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from mcp.server.auth.provider import AccessToken

from mcptasks.server.auth.static_tokens import (
    BROKEN_SECONDS,
    ISSUER,
    REREAD_SECONDS,
    StaticTokens,
    TokensError,
    TokensReading,
    read_tokens,
)

ALICE = "a" * 32
BOB = "b" * 32


class LeapingClock:
    """Moves on by more than the time between two reads at each look, unless it is held."""

    def __init__(self) -> None:
        self.now = 0.0
        self.held = False

    def __call__(self) -> float:
        if not self.held:
            self.now += REREAD_SECONDS + 1
        return self.now


def verify(tokens: StaticTokens, token: str) -> AccessToken | None:
    return asyncio.run(tokens.verify_token(token))


def callers(tokens: StaticTokens) -> list[str | None]:
    found = [verify(tokens, token) for token in (ALICE, BOB)]
    return [None if token is None else token.subject for token in found]


def folder(path: Path, **tokens: str) -> Path:
    """A folder as Kubernetes mounts a Secret: links into a folder that is changed as a whole."""
    version = path / f"..{len(list(path.iterdir()))}" if path.exists() else path / "..0"
    version.mkdir(parents=True)
    for name, token in tokens.items():
        (version / name).write_text(token)
    fresh = path / "..data_tmp"
    fresh.symlink_to(version.name)
    fresh.replace(path / "..data")
    for link in path.iterdir():
        if not link.name.startswith(".") and link.name not in tokens:
            link.unlink()
    for name in tokens:
        if not (path / name).is_symlink():
            (path / name).symlink_to(f"..data/{name}")
    return path


def test_a_folder_has_a_file_for_each_caller(tmp_path: Path) -> None:
    reading = read_tokens(folder(tmp_path / "tokens", alice=f"{ALICE}\n", bob=BOB))
    assert reading == TokensReading({"alice": ALICE, "bob": BOB})


def test_a_file_has_a_line_for_each_caller(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"# ours\n\nalice: {ALICE}\n  bob:{BOB}  \n")
    assert read_tokens(path) == TokensReading({"alice": ALICE, "bob": BOB})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no tokens"),
        ("# nobody", "has no tokens"),
        (ALICE, "line 1 is not `name: token`"),
        (f": {ALICE}", "line 1 is not `name: token`"),
        ("alice: secret", "'alice' needs 16 characters"),
        (f"alice: {ALICE} {BOB}", "'alice' needs 16 characters or more, without spaces"),
        (f"alice: {'ä' * 20}", "'alice' needs 16 characters"),
        (f"alice: {ALICE}\nalice: {BOB}", "two tokens of 'alice'"),
        (f"alice: {ALICE}\nbob: {ALICE}", "'alice' and 'bob' have the same token"),
    ],
)
def test_tokens_that_cannot_be_used_are_named_without_repeating_them(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "tokens"
    path.write_text(text)
    with pytest.raises(TokensError, match=message) as refused:
        StaticTokens(path)
    assert ALICE not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TokensError, match=r"nothing cannot be read: No such file"):
        StaticTokens(tmp_path / "nothing")


def test_a_token_says_who_calls_and_has_all_scopes_that_are_asked_for(tmp_path: Path) -> None:
    tokens = StaticTokens(folder(tmp_path / "tokens", alice=ALICE, bob=BOB), ("tasks",))
    verified = verify(tokens, BOB)
    assert verified is not None
    assert (verified.client_id, verified.subject, verified.claims) == ("bob", "bob", {"iss": ISSUER})
    assert verified.scopes == ["tasks"]
    assert verify(tokens, "c" * 32) is None
    assert verify(tokens, "") is None
    assert verify(tokens, "ü") is None


def test_changed_tokens_are_read_anew(tmp_path: Path) -> None:
    path = folder(tmp_path / "tokens", alice=ALICE)
    tokens = StaticTokens(path, clock=LeapingClock())
    assert callers(tokens) == ["alice", None]
    folder(path, robert=BOB)
    assert callers(tokens) == [None, "robert"]


def test_they_are_not_read_for_every_call(tmp_path: Path) -> None:
    clock = LeapingClock()
    path = folder(tmp_path / "tokens", alice=ALICE)
    tokens = StaticTokens(path, clock=clock)
    clock.held = True
    assert callers(tokens) == ["alice", None]
    folder(path, robert=BOB)
    assert callers(tokens) == ["alice", None]


class TestRevocation:
    """What is certain is refused at once; what may be half-written is loud, and refused when it stays so."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "tokens"
        path.write_text(f"alice: {ALICE}\nbob: {BOB}\n")
        return path

    @pytest.fixture
    def tokens(self, path: Path) -> StaticTokens:
        return StaticTokens(path, clock=LeapingClock())

    @pytest.mark.parametrize("text", ["", "\n\n", "# nobody any more\n"])
    def test_an_emptied_file_ends_all_tokens_at_once(
        self, path: Path, tokens: StaticTokens, caplog: pytest.LogCaptureFixture, text: str
    ) -> None:
        path.write_text(text)
        assert callers(tokens) == [None, None]
        assert "all are refused" in caplog.text
        assert len(caplog.records) == 1
        assert tokens.problem is not None

    def test_a_removed_file_ends_all_tokens_at_once(self, path: Path, tokens: StaticTokens) -> None:
        path.unlink()
        assert callers(tokens) == [None, None]
        path.write_text(f"bob: {BOB}")
        assert callers(tokens) == [None, "bob"]
        assert tokens.problem is None

    def test_a_removed_and_an_emptied_folder_end_all_tokens_at_once(self, tmp_path: Path) -> None:
        place = folder(tmp_path / "folder", alice=ALICE, bob=BOB)
        tokens = StaticTokens(place, clock=LeapingClock())
        folder(place)
        assert callers(tokens) == [None, None]
        folder(place, bob=BOB)
        assert callers(tokens) == [None, "bob"]
        place.rename(tmp_path / "gone")
        assert callers(tokens) == [None, None]

    def test_a_line_that_is_gone_ends_its_token_at_once(self, path: Path, tokens: StaticTokens) -> None:
        path.write_text(f"bob: {BOB}\n")
        assert callers(tokens) == [None, "bob"]

    @pytest.mark.parametrize("rest", ["carol", "carol: short", f"dave: {'d' * 20}\ndave: {'e' * 20}"])
    def test_a_broken_file_is_loud_and_ends_what_it_lacks_after_a_while(
        self, path: Path, caplog: pytest.LogCaptureFixture, rest: str
    ) -> None:
        clock = LeapingClock()
        tokens = StaticTokens(path, clock=clock)
        path.write_text(f"alice: {ALICE}\n{rest}")
        assert callers(tokens) == ["alice", "bob"]
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert tokens.problem is not None
        assert str(path) in caplog.text
        clock.now += BROKEN_SECONDS
        assert callers(tokens) == ["alice", None]
        assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
        path.write_text(f"alice: {ALICE}\nbob: {BOB}")
        assert callers(tokens) == ["alice", "bob"]
        assert tokens.problem is None

    def test_a_broken_file_gives_nobody_anything_new(self, path: Path, tokens: StaticTokens) -> None:
        new = "c" * 32
        path.write_text(f"alice: {ALICE}\nbob: {BOB}\ncarol: {new}\nhalf")
        assert verify(tokens, new) is None
        assert callers(tokens) == ["alice", "bob"]

    def test_a_broken_file_ends_a_token_at_once_that_it_replaces(self, path: Path, tokens: StaticTokens) -> None:
        path.write_text(f"alice: {'n' * 32}\nbob: {BOB}\nhalf")
        assert callers(tokens) == [None, "bob"]

    def test_what_cannot_be_read_ends_all_tokens_after_a_while(self, path: Path) -> None:
        clock = LeapingClock()
        tokens = StaticTokens(path, clock=clock)
        path.write_bytes(b"alice: \xff\xfe")
        assert callers(tokens) == ["alice", "bob"]
        clock.now += BROKEN_SECONDS
        assert callers(tokens) == [None, None]

    def test_a_version_of_a_secret_is_taken_as_a_whole(self, tmp_path: Path) -> None:
        place = folder(tmp_path / "folder", alice=ALICE)
        tokens = StaticTokens(place, clock=LeapingClock())
        for _ in range(3):
            folder(place, bob=BOB)
            assert callers(tokens) == [None, "bob"]
            folder(place, alice=ALICE)
            assert callers(tokens) == ["alice", None]
        # Kubernetes removes links after it has moved `..data` on.
        (place / "stale").symlink_to("..data/stale")
        assert callers(tokens) == ["alice", None]
        assert tokens.problem is None
