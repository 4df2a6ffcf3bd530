"""Authentication of the endpoint's callers by settings: no code of the user's server is needed."""

from mcptasks.server.auth.authentication import AuthConfigError, Authentication
from mcptasks.server.auth.unverifiable import VerifiableTokens

__all__ = ["AuthConfigError", "Authentication", "VerifiableTokens"]
