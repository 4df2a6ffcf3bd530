"""Authentication of the endpoint's callers by settings: no code of the user's server is needed."""

from mcptasks.auth.authentication import AuthConfigError, Authentication
from mcptasks.auth.guard import VerifiableTokens

__all__ = ["AuthConfigError", "Authentication", "VerifiableTokens"]
