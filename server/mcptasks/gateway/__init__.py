"""The gateway: the part of the server that runners talk to. Never expose it outside the cluster.

`Gateway` is what it does, `gateway_app` serves it over HTTP (see `mcptasks.assignment`).
"""

from mcptasks.gateway.app import gateway_app
from mcptasks.gateway.service import Gateway

__all__ = ["Gateway", "gateway_app"]
