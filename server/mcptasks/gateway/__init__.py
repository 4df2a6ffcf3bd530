"""The gateway: the part of the server that runners talk to. Never expose it outside the cluster."""
