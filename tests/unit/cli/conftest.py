"""Servers for the commands to call."""

from __future__ import annotations

from tests.unit.client.conftest import new, server

__all__ = ["new", "server"]
