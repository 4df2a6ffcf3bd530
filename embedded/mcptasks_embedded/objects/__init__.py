"""The API server behind its HTTP side: what reading, creating, changing and deleting objects does.

Knows `store`, `kinds` and `values`. It must not know HTTP, who is asking, or what controllers and nodes do with an
object.
"""
