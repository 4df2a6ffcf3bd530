"""What is told of an exception: to logs, to authors of tools, and to callers."""
