"""The control loops: Jobs, scheduling, garbage collection, namespaces, quotas, expiry of Jobs and events.

Knows `objects` and what is below it, and watches the store directly. It must not know HTTP or how a Pod runs.
"""
