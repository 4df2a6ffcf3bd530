"""The server process: HTTP, authentication, health."""
