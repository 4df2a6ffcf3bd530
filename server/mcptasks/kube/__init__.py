"""The Kubernetes API: a thin client, watch caches, and McpTasks as objects in it."""
