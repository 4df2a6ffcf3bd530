"""Prometheus metrics of server and operator, each in a registry of its own that is passed in."""
