"""The process in a task's Pod: signals, the main thread's work, the loop beside it, the way to the gateway."""
