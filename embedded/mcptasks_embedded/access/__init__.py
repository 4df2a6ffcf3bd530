"""Who asks and what they may do: users, ServiceAccount tokens, RBAC.

Knows `store` and `values`: roles, bindings and ServiceAccounts are read where they are stored. It must not know HTTP.
"""
