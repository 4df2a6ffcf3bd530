"""What can be done with tasks, whatever protocol asks for it, and where their results live."""
