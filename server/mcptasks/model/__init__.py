"""What a task is: McpTask, McpTaskTemplate, their CRDs, the rules of a task's life. Pure."""
