"""The cluster's memory, as etcd is a real cluster's: stored objects, their versions, watches of them.

Knows `values`. It must not know what a kind means: defaults, validation and the rules of deletion are in `objects`.
"""
