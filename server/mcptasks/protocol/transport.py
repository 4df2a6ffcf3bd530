"""What the protocol versions want of HTTP beyond the SDK's transport, for the server process to wrap around it."""

from mcptasks.protocol.v2025_11_25_http import HandshakeHttp

__all__ = ["HandshakeHttp"]
