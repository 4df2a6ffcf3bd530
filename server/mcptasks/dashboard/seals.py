"""What the dashboard gives to browsers and takes back: sealed cookies, and the tokens of forms."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from cryptography.fernet import Fernet, InvalidToken


@dataclass(frozen=True)
class Seals:
    """Seals and opens with one secret."""

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def sealed(self, text: str) -> str:
        """The text, unreadable for everybody else."""
        return self._fernet().encrypt(text.encode()).decode()

    def opened(self, sealed: str) -> str | None:
        """The sealed text; None where nobody here has sealed it."""
        try:
            return self._fernet().decrypt(sealed.encode()).decode()
        except (InvalidToken, ValueError):
            return None

    def form_token(self, browser: str, viewer: str) -> str:
        """What a form of this browser has to bring along, so that no other site can have made it."""
        return hmac.new(self._key(b"form"), f"{browser}\x00{viewer}".encode(), hashlib.sha256).hexdigest()

    def is_form_token(self, given: str, browser: str, viewer: str) -> bool:
        """Whether the form is one that this browser was given."""
        return hmac.compare_digest(self.form_token(browser, viewer).encode(), given.encode())

    def _key(self, purpose: bytes) -> bytes:
        return hmac.new(self.secret, purpose, hashlib.sha256).digest()

    def _fernet(self) -> Fernet:
        return Fernet(base64.urlsafe_b64encode(self._key(b"cookie")))
