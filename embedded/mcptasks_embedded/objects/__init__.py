"""The API server behind its HTTP side: what an object may be, and what creating, changing and deleting one does.

Knows `store` and `values`. It must not know HTTP, who is asking, or what controllers and nodes do with an object.
"""
