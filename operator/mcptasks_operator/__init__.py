"""The operator: makes a Job of each McpTask, and keeps the task's status up to date with it."""
