"""The API server's HTTP side: authentication, RBAC, routes, request bodies, discovery, OpenAPI, tables, watches.

Knows `objects`, `store` and `values`. It must not know controllers or nodes, nor decide what an object may be.
"""
