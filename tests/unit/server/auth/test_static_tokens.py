"""Tokens handed out by hand: read from a folder or a file, and read again when they change."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from mcp.server.auth.provider import AccessToken

from mcptasks.server.auth.static_tokens import ISSUER, REREAD_SECONDS, StaticTokens, TokensError, read_tokens

ALICE = "a" * 32
BOB = "b" * 32


class Clock:
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
    assert read_tokens(folder(tmp_path / "tokens", alice=f"{ALICE}\n", bob=BOB)) == {"alice": ALICE, "bob": BOB}


def test_a_file_has_a_line_for_each_caller(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"# ours\n\nalice: {ALICE}\n  bob:{BOB}  \n")
    assert read_tokens(path) == {"alice": ALICE, "bob": BOB}


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
        read_tokens(path)
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
    tokens = StaticTokens(path, clock=Clock())
    assert callers(tokens) == ["alice", None]
    folder(path, robert=BOB)
    assert callers(tokens) == [None, "robert"]


def test_they_are_not_read_for_every_call(tmp_path: Path) -> None:
    clock = Clock()
    path = folder(tmp_path / "tokens", alice=ALICE)
    tokens = StaticTokens(path, clock=clock)
    clock.held = True
    assert callers(tokens) == ["alice", None]
    folder(path, robert=BOB)
    assert callers(tokens) == ["alice", None]


def test_a_change_that_cannot_be_used_leaves_the_last_ones(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"alice: {ALICE}")
    tokens = StaticTokens(path, clock=Clock())
    path.write_text(f"alice: {ALICE}\nbob: {ALICE}")
    with caplog.at_level(logging.ERROR):
        assert callers(tokens) == ["alice", None]
    assert [record.message for record in caplog.records] == [
        f"the changed tokens are not used: {path}: 'alice' and 'bob' have the same token: give each one of their own"
    ]
    path.write_text(f"bob: {BOB}")
    assert callers(tokens) == [None, "bob"]
