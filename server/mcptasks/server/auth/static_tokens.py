"""Tokens that an administrator hands out by hand: a folder or a file with a token for each caller."""

from __future__ import annotations

import hmac
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from mcp.server.auth.provider import AccessToken

logger = logging.getLogger(__name__)

ISSUER = "mcptasks.dev/tokens"
"""Issuer of such callers, so that none is ever taken for a caller of the same name from elsewhere."""

MIN_LENGTH = 16
REREAD_SECONDS = 1.0

BROKEN_SECONDS = 60.0
"""How long a file or folder that cannot be used leaves the last tokens: whoever writes it may not have finished."""

MAKE_ONE = "`openssl rand -hex 32` makes one"


class TokensError(Exception):
    """The tokens cannot be used; the message says what to change, and never repeats a token."""


@dataclass(frozen=True)
class TokensReading:
    """What a file or folder has at one moment.

    Args:
        tokens: those that can be used, by their callers' names.
        problem: why it cannot be used as it is; None where it can.
        is_empty: there is nothing that could be a token: it was emptied, or removed.
    """

    tokens: Mapping[str, str]
    problem: str | None = None
    is_empty: bool = False


def read_tokens(path: Path) -> TokensReading:
    """The tokens that are there now.

    A folder has one file for each caller, named as the caller, as a mounted Secret has. A file has lines
    `name: token`; empty ones and those that start with `#` are ignored.
    """
    try:
        entries = list(_folder(path) if path.is_dir() else _lines(path))
    except (OSError, UnicodeDecodeError) as error:
        problem = f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"
        return TokensReading({}, problem, isinstance(error, FileNotFoundError))
    if not entries:
        none = f"{path} has no tokens: add a line `name: token` or, to a folder, a file of that name"
        return TokensReading({}, none, is_empty=True)
    names: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        names[entry.token].append(entry.name)
    repeated = {name for name, count in Counter(entry.name for entry in entries).items() if count > 1}
    judged = [(entry, _problem(entry, names[entry.token], repeated)) for entry in entries]
    problems = [problem for _, problem in judged if problem is not None]
    usable = {entry.name: entry.token for entry, problem in judged if problem is None}
    return TokensReading(usable, f"{path}{problems[0]}" if problems else None)


@dataclass(frozen=True)
class _Entry:
    """A caller's token; a line that is no entry has a number alone."""

    name: str
    token: str = field(repr=False)
    line: int | None = None


def _folder(path: Path) -> Iterator[_Entry]:
    # Kubernetes keeps the versions of a mounted Secret in entries that start with a dot.
    for entry in sorted(path.iterdir()):
        if not entry.name.startswith(".") and entry.is_file():
            # Kubernetes removes the links to what a new version does not have any more.
            with suppress(FileNotFoundError):
                yield _Entry(entry.name, entry.read_text().strip())


def _lines(path: Path) -> Iterator[_Entry]:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, token = line.partition(":")
        yield _Entry(name.strip(), token.strip()) if colon and name.strip() else _Entry("", "", number)


def _problem(entry: _Entry, owners: Sequence[str], repeated: Container[str]) -> str | None:
    """What is wrong with an entry.

    Args:
        owners: names of all entries with this token.
        repeated: names that several entries have.
    """
    if entry.line is not None:
        return f" line {entry.line} is not `name: token`"
    name, token = entry.name, entry.token
    if name in repeated:
        return f" has two tokens of {name!r}: leave one"
    if len(token) < MIN_LENGTH or not token.isascii() or any(character.isspace() for character in token):
        return f": the token of {name!r} needs {MIN_LENGTH} characters or more, without spaces: {MAKE_ONE}"
    if len(owners) > 1:
        return f": {owners[0]!r} and {owners[1]!r} have the same token: give each one of their own"
    return None


@dataclass(eq=False)
class StaticTokens:
    """The tokens of a file or folder, read again when they change.

    What is certainly revoked is refused at once: a token that a file without faults does not have, that has been
    replaced by another of the same caller, or any where the file is empty or gone. A file that cannot be used as it is
    (half-written, mistyped, unreadable) gives nobody anything new. For `BROKEN_SECONDS` it takes nothing else away;
    after that only what it still has of the last usable one is accepted.

    Raises TokensError at the start where they cannot be used.
    """

    path: Path
    scopes: tuple[str, ...] = ()
    clock: Callable[[], float] = time.monotonic
    _digests: dict[str, bytes] = field(init=False, repr=False)
    _read_at: float = field(init=False)
    _problem: str | None = field(default=None, init=False)
    _broken_since: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        reading = read_tokens(self.path)
        if reading.problem is not None:
            raise TokensError(reading.problem)
        self._digests = _digests(reading.tokens)
        self._read_at = self.clock()

    @property
    def problem(self) -> str | None:
        """Why file or folder cannot be used as it is; None where it can."""
        self._reread()
        return self._problem

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
        now = self.clock()
        if now - self._read_at < REREAD_SECONDS:
            return
        self._read_at = now
        reading = read_tokens(self.path)
        read = _digests(reading.tokens)
        if reading.problem is None or reading.is_empty:
            self._broken_since = None
            self._use(read, reading.problem, "the callers' tokens are gone, and all are refused: %s")
            return
        self._broken_since = now if self._broken_since is None else self._broken_since
        if now - self._broken_since < BROKEN_SECONDS:
            kept = {name: known for name, known in self._digests.items() if read.get(name, known) == known}
            later = f"those that it does not have are refused in {BROKEN_SECONDS:.0f} s"
            self._use(kept, reading.problem, f"the changed tokens are not used, and {later}: %s")
        else:
            kept = {name: known for name, known in self._digests.items() if read.get(name) == known}
            self._use(kept, reading.problem, "the changed tokens cannot be used, and those not in them are refused: %s")

    def _use(self, digests: dict[str, bytes], problem: str | None, told: str) -> None:
        """Accept these from now on, and tell in the log what is new."""
        if problem is not None and (problem != self._problem or digests != self._digests):
            logger.error(told, problem)
        elif problem is None and (digests != self._digests or self._problem is not None):
            logger.info("tokens were read again: %s callers", len(digests))
        self._digests, self._problem = digests, problem


def _digests(tokens: Mapping[str, str]) -> dict[str, bytes]:
    return {name: sha256(token.encode()).digest() for name, token in tokens.items()}
