"""The API server's HTTP side: routes, request bodies, answers, discovery, OpenAPI, tables, watches.

Knows `access`, `objects` and what is below it. It must not know controllers or nodes, nor decide what an object may
be.
"""
