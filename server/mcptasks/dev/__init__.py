"""`mcptasks dev` and `mcptasks demo`: an embedded cluster, the operator and the server on one machine."""
