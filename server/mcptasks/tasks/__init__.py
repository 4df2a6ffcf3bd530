"""What can be done with tasks, whatever protocol asks for it."""
