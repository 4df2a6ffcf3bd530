"""The one node: its kubelet runs Pods as processes of this machine, with volumes, logs and limits.

Knows `access` (a Pod's tokens), `objects` and what is below it. It must not know HTTP or controllers.
"""
