"""Tokens that an administrator hands out by hand: a folder or a file with a token for each caller."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from mcp.server.auth.provider import AccessToken

logger = logging.getLogger(__name__)

ISSUER = "mcptasks.dev/tokens"
"""Issuer of such callers, so that none is ever taken for a caller of the same name from elsewhere."""

MIN_LENGTH = 16
REREAD_SECONDS = 1.0
MAKE_ONE = "`openssl rand -hex 32` makes one"


class TokensError(Exception):
    """The tokens cannot be used; the message says what to change, and never repeats a token."""


def read_tokens(path: Path) -> dict[str, str]:
    """The tokens by their callers' names.

    A folder has one file for each caller, named as the caller, as a mounted Secret has. A file has lines
    `name: token`; empty ones and those that start with `#` are ignored.

    Raises:
        TokensError: there is no such file or folder, it has no token, or one of them cannot be used.
    """
    try:
        entries = list(_folder(path) if path.is_dir() else _lines(path))
    except (OSError, UnicodeDecodeError) as error:
        raise TokensError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    tokens: dict[str, str] = {}
    for name, token in entries:
        _check(path, name, token, tokens)
        tokens[name] = token
    if not tokens:
        raise TokensError(f"{path} has no tokens: add a line `name: token` or, to a folder, a file of that name")
    return tokens


def _folder(path: Path) -> Iterator[tuple[str, str]]:
    # Kubernetes keeps the versions of a mounted Secret in entries that start with a dot.
    for entry in sorted(path.iterdir()):
        if not entry.name.startswith(".") and entry.is_file():
            yield entry.name, entry.read_text().strip()


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, token = line.partition(":")
        if not colon or not name.strip():
            raise TokensError(f"{path} line {number} is not `name: token`")
        yield name.strip(), token.strip()


def _check(path: Path, name: str, token: str, earlier: Mapping[str, str]) -> None:
    if name in earlier:
        raise TokensError(f"{path} has two tokens of {name!r}: leave one")
    if len(token) < MIN_LENGTH or not token.isascii() or any(character.isspace() for character in token):
        raise TokensError(
            f"{path}: the token of {name!r} needs {MIN_LENGTH} characters or more, without spaces: {MAKE_ONE}"
        )
    if same := [other for other, known in earlier.items() if known == token]:
        raise TokensError(f"{path}: {same[0]!r} and {name!r} have the same token: give each one of their own")


@dataclass(eq=False)
class StaticTokens:
    """The tokens of a file or folder, read again when they change.

    Raises TokensError at the start where they cannot be used; later on, the last usable ones stay.
    """

    path: Path
    scopes: tuple[str, ...] = ()
    clock: Callable[[], float] = time.monotonic
    _digests: dict[str, bytes] = field(init=False)
    _read_at: float = field(init=False)
    _problem: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._digests = _digests(read_tokens(self.path))
        self._read_at = self.clock()

    async def verify_token(self, token: str) -> AccessToken | None:
        """The caller that has the token; None where nobody has it."""
        self._reread()
        digest = sha256(token.encode()).digest()
        # All are compared, each in constant time: how long it takes tells nothing.
        names = [name for name, known in self._digests.items() if hmac.compare_digest(known, digest)]
        if not names:
            return None
        return AccessToken(
            token=token, client_id=names[0], subject=names[0], scopes=list(self.scopes), claims={"iss": ISSUER}
        )

    def _reread(self) -> None:
        if self.clock() - self._read_at < REREAD_SECONDS:
            return
        self._read_at = self.clock()
        try:
            digests, problem = _digests(read_tokens(self.path)), None
        except TokensError as error:
            digests, problem = self._digests, str(error)
        if problem is not None and problem != self._problem:
            logger.error("the changed tokens are not used: %s", problem)
        elif digests != self._digests:
            logger.info("tokens were read again: %s callers", len(digests))
        self._digests, self._problem = digests, problem


def _digests(tokens: Mapping[str, str]) -> dict[str, bytes]:
    return {name: sha256(token.encode()).digest() for name, token in tokens.items()}
