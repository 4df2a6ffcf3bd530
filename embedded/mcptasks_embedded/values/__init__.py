"""Values of the API and their rules: names of kinds and objects, errors, JSON, times, quantities.

Knows no other part of the cluster. Nothing here holds state or does I/O.
"""
